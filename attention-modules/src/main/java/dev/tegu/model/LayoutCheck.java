package dev.tegu.model;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.config.Nearest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Compares the tensors of a checkpoint with those that its config.json asks for: which are missing,
 * which are not expected, and which have another shape or no float type, all at once.
 */
final class LayoutCheck {
    /** How many of one kind a message names. */
    private static final int NAMED = 5;

    private final ModelConfig config;
    private final SortedSet<String> missing = new TreeSet<>();
    private final SortedSet<String> unexpected = new TreeSet<>();
    private final SortedMap<String, String> misshapen = new TreeMap<>();

    private LayoutCheck(HuggingFaceDirectory files, ModelConfig config) {
        this.config = config;
        // A teacher has none of the new parameters; a student must have them all.
        boolean untrained = !files.config().has(ModelConfig.LINEAR_ATTENTION);
        unexpected.addAll(files.names());
        ModelLayout layout = new ModelLayout(config);
        Set<String> parameters = new HashSet<>();
        layout.all().stream()
                .filter(entry -> entry.parameter().isPresent())
                .forEach(entry -> parameters.add(entry.name()));
        layout.stored()
                .forEach(
                        (name, shape) ->
                                check(files, name, shape, untrained && parameters.contains(name)));
        unexpected.remove(config.architecture().lmHead());
        unexpected.removeIf(config.architecture()::ignores);
    }

    private void check(
            HuggingFaceDirectory files, String name, List<Long> shape, boolean mayBeMissing) {
        unexpected.remove(name);
        if (!files.has(name)) {
            if (!mayBeMissing) {
                missing.add(name);
            }
            return;
        }
        TensorInfo info = files.info(name);
        if (!info.shape().equals(shape)) {
            misshapen.put(name, "expected " + shape + ", found " + info.shape());
        } else if (!info.dtype().isFloat()) {
            misshapen.put(name, "expected a float type, found " + info.dtype());
        }
    }

    /**
     * What does not fit, one text a kind; empty where all fits. Leftovers that transformers ignores
     * too, a tied head, inverse frequencies and stored masks, are no fault.
     */
    static List<String> faults(HuggingFaceDirectory files, ModelConfig config) {
        LayoutCheck check = new LayoutCheck(files, config);
        List<String> faults = new ArrayList<>();
        describe(faults, "missing", check.missing, check::describeMissing);
        describe(
                faults,
                "not of this architecture",
                check.unexpected,
                name -> near(name, check.missing));
        describe(
                faults,
                "not as config.json asks",
                check.misshapen.keySet(),
                name -> ": " + check.misshapen.get(name));
        return faults;
    }

    /**
     * @throws CheckpointException if anything does not fit
     */
    static void require(HuggingFaceDirectory files, ModelConfig config) {
        List<String> faults = faults(files, config);
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    files.path()
                            + ": the weights do not fit config.json: "
                            + String.join("; ", faults)
                            + ". They may be of two checkpoints: fetch both again");
        }
    }

    private String describeMissing(String name) {
        boolean isHead = name.equals(config.architecture().lmHead());
        return isHead
                ? " (set `tie_word_embeddings` if the embedding is the head)"
                : near(name, unexpected);
    }

    private static String near(String name, Set<String> others) {
        return Nearest.to(name, others).map(other -> " (nearest: `" + other + "`)").orElse("");
    }

    private static void describe(
            List<String> faults, String kind, Set<String> names, Function<String, String> detail) {
        if (names.isEmpty()) {
            return;
        }
        List<String> named =
                names.stream()
                        .limit(NAMED)
                        .map(name -> "`" + name + "`" + detail.apply(name))
                        .toList();
        int more = names.size() - named.size();
        faults.add(
                (names.size() + " " + kind + ": " + String.join(", ", named))
                        + (more > 0 ? " and " + more + " more" : ""));
    }
}
