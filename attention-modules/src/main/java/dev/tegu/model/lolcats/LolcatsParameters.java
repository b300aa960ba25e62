package dev.tegu.model.lolcats;

import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.Nearest;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The new parameters of a student, taken from a LoLCATs checkpoint and compared with what the
 * student's method asks for.
 *
 * <p>Shapes there and here: feature maps [H, D, p] both; biases [1, H, 1, 1] or [1, H, 1, p], here
 * [H, p]; window factors [1, H, 1, 1], here [H], before the sigmoid both.
 */
public final class LolcatsParameters {
    /** Near names are looked for as long as somebody reads them. */
    private static final int NAMED = 8;

    private final LolcatsCheckpoint checkpoint;
    private final ModelConfig model;
    private final SortedMap<String, TensorSource> tensors = new TreeMap<>();
    private final List<String> faults = new ArrayList<>();

    private LolcatsParameters(LolcatsCheckpoint checkpoint, ModelConfig model) {
        this.checkpoint = checkpoint;
        this.model = model;
    }

    /**
     * Compares without reading values.
     *
     * @param student what the parameters are for
     */
    public static LolcatsParameters of(LolcatsCheckpoint checkpoint, ModelConfig student) {
        LolcatsParameters parameters = new LolcatsParameters(checkpoint, student);
        parameters.compare();
        return parameters;
    }

    /** The parameters by the student's names, float32; the checkpoint stays open until written. */
    public SortedMap<String, TensorSource> tensors() {
        return tensors;
    }

    /** Everything that does not fit: switches of the method first, then tensors. */
    public List<String> faults() {
        return faults;
    }

    private void compare() {
        SortedMap<LolcatsKey, LolcatsTensor> left = new TreeMap<>(checkpoint.tensors());
        left.keySet().removeIf(LolcatsKey::isAdapter);
        if (left.isEmpty()) {
            faults.add(
                    "there are no feature maps: give the `_distill` file before the `_ft` file, each"
                            + " with an option of its own");
            addUnknown(List.of());
            return;
        }
        ModelLayout layout = new ModelLayout(model);
        List<ModelLayout.Entry> expected = new ArrayList<>();
        for (int layer = 0; layer < model.numLayers(); layer++) {
            expected.addAll(layout.parameters(layer));
        }
        LolcatsMethod method = LolcatsMethod.compare(left, expected);
        faults.addAll(method.faults());
        for (ModelLayout.Entry entry : expected) {
            LolcatsKey key = new LolcatsKey(entry.layer(), entry.role());
            LolcatsTensor tensor = left.remove(key);
            if (method.explains(key)) {
                continue;
            }
            if (tensor == null) {
                faults.add("`" + key.spelling() + "`: missing");
            } else {
                take(entry, tensor);
            }
        }
        left.forEach(
                (key, tensor) -> {
                    if (!method.explains(key)) {
                        faults.add("`" + tensor.name() + "`: " + whyUnexpected(key));
                    }
                });
        addUnknown(expected);
    }

    private void take(ModelLayout.Entry entry, LolcatsTensor tensor) {
        List<Long> shape = entry.shape();
        List<Long> found = tensor.shape();
        int times = 1;
        List<Long> theirs = shape;
        if (!entry.role().endsWith(".weight")) {
            theirs = List.of(1L, shape.get(0), 1L, 1L);
            boolean isWide = shape.size() == 2;
            if (isWide && found.equals(List.of(1L, shape.get(0), 1L, shape.get(1)))) {
                theirs = found;
            } else if (isWide) {
                times = Math.toIntExact(shape.get(1));
            }
        }
        if (!found.equals(theirs)) {
            faults.add(
                    ("`" + tensor.name() + "`: expected shape " + theirs)
                            + (" from config.json and method, found " + found));
        } else if (!tensor.isFloat()) {
            faults.add(
                    ("`" + tensor.name() + "`: expected F32, BF16 or F16, found ")
                            + tensor.tensor().dtype());
        } else {
            tensors.put(entry.name(), tensor.asFloat32(shape, times));
        }
    }

    private String whyUnexpected(LolcatsKey key) {
        if (key.layer() >= model.numLayers()) {
            return "the teacher has the layers 0 to " + (model.numLayers() - 1);
        }
        if (!model.isLinear(key.layer())) {
            return "layer " + key.layer() + " stays softmax by the method's `keep_softmax`";
        }
        return "the method has no `" + key.role() + "`";
    }

    private void addUnknown(List<ModelLayout.Entry> expected) {
        List<String> names =
                expected.stream()
                        .map(entry -> new LolcatsKey(entry.layer(), entry.role()).spelling())
                        .toList();
        int named = 0;
        for (LolcatsTensor tensor : checkpoint.unknown()) {
            Optional<String> near =
                    named++ < NAMED ? Nearest.to(tensor.name(), names) : Optional.empty();
            faults.add(
                    ("`" + tensor.name() + "`: not a trained tensor of LoLCATs")
                            + near.map(name -> " (nearest: `" + name + "`)").orElse(""));
        }
    }
}
