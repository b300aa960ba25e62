package dev.tegu.model.lolcats;

import dev.tegu.model.ModelLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * Switches of a method that do not fit a checkpoint as a whole: one line for each and the override
 * that helps, instead of a line for every tensor.
 */
final class LolcatsMethod {
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";
    private static final String WINDOW_FACTOR = "window_factor";

    private final List<String> faults = new ArrayList<>();
    private final Set<LolcatsKey> explained = new HashSet<>();

    private LolcatsMethod() {}

    /**
     * @param found parameters of the checkpoint; at least one
     * @param expected parameters that the method asks for
     */
    static LolcatsMethod compare(
            Map<LolcatsKey, LolcatsTensor> found, List<ModelLayout.Entry> expected) {
        LolcatsMethod method = new LolcatsMethod();
        Set<LolcatsKey> wanted = new LinkedHashSet<>();
        expected.forEach(entry -> wanted.add(new LolcatsKey(entry.layer(), entry.role())));
        method.compareLayers(found.keySet(), wanted);
        method.compareFeatureDim(found, expected);
        method.compareRole(found.keySet(), wanted, key -> key.role().endsWith(BIAS), BIAS);
        method.compareRole(
                found.keySet(), wanted, key -> key.role().equals(WINDOW_FACTOR), WINDOW_FACTOR);
        return method;
    }

    /** One line for each switch. */
    List<String> faults() {
        return faults;
    }

    /** Whether a tensor that is missing, unexpected or of another shape is so by a switch. */
    boolean explains(LolcatsKey key) {
        return explained.contains(key);
    }

    private void compareLayers(Set<LolcatsKey> found, Set<LolcatsKey> wanted) {
        Set<Integer> layers = new TreeSet<>();
        wanted.forEach(key -> layers.add(key.layer()));
        Set<Integer> absent = new TreeSet<>(layers);
        found.forEach(key -> absent.remove(key.layer()));
        if (absent.isEmpty() || absent.equals(layers)) {
            return;
        }
        String list = absent.toString().replace(" ", "");
        faults.add(
                ("the layers " + list + " have no parameters; if they stayed softmax, set")
                        + (" `keep_softmax` (`--set keep_softmax=" + list + "`)"));
        wanted.stream().filter(key -> absent.contains(key.layer())).forEach(explained::add);
    }

    private void compareFeatureDim(
            Map<LolcatsKey, LolcatsTensor> found, List<ModelLayout.Entry> expected) {
        Set<Long> theirs = new TreeSet<>();
        found.forEach(
                (key, tensor) -> {
                    if (key.role().endsWith(WEIGHT) && tensor.shape().size() == 3) {
                        theirs.add(tensor.shape().get(2));
                    }
                });
        Set<Long> ours = new TreeSet<>();
        Set<LolcatsKey> weights = new HashSet<>();
        for (ModelLayout.Entry entry : expected) {
            LolcatsKey key = new LolcatsKey(entry.layer(), entry.role());
            boolean isMap = entry.role().startsWith("feature_map_") && entry.shape().size() == 3;
            if (!isMap || !entry.role().endsWith(WEIGHT) || !found.containsKey(key)) {
                continue;
            }
            ours.add(entry.shape().get(2));
            List<Long> shape = found.get(key).shape();
            if (shape.size() == 3 && shape.subList(0, 2).equals(entry.shape().subList(0, 2))) {
                weights.add(key);
            }
        }
        if (ours.size() == 1 && theirs.size() == 1 && !ours.equals(theirs)) {
            long dim = theirs.iterator().next();
            faults.add(
                    ("the feature maps have `feature_dim` " + dim + ", the method has ")
                            + (ours.iterator().next() + "; set `feature_map.feature_dim` (`--set")
                            + (" feature_map.feature_dim=" + dim + "`)"));
            explained.addAll(weights);
        }
    }

    private void compareRole(
            Set<LolcatsKey> found,
            Set<LolcatsKey> wanted,
            Predicate<LolcatsKey> isRole,
            String role) {
        boolean has = found.stream().anyMatch(isRole);
        boolean wants = wanted.stream().anyMatch(isRole);
        if (has == wants) {
            return;
        }
        if (role.equals(BIAS)) {
            faults.add(
                    ("the feature maps have " + (has ? "a" : "no") + " bias, the method has ")
                            + ((has ? "none" : "one") + "; set `feature_map.bias` (`--set")
                            + (" feature_map.bias=" + has + "`)"));
        } else {
            faults.add(
                    has
                            ? "there are window factors and the method combines without one; take a"
                                    + " method with a window and `combine: shared_denominator`, such"
                                    + " as `lolcats`"
                            : "there are no window factors; if the attention was purely linear, set"
                                    + " `window.size` to 0 (`--set window.size=0`)");
        }
        found.stream().filter(isRole).forEach(explained::add);
        wanted.stream().filter(isRole).forEach(explained::add);
    }
}
