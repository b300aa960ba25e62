package dev.tegu.lora;

import dev.tegu.checkpoint.TensorSource;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.lolcats.LolcatsCheckpoint;
import dev.tegu.model.lolcats.LolcatsKey;
import dev.tegu.model.lolcats.LolcatsTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The adapters of a LoLCATs checkpoint, compared with the model that they are for.
 *
 * <p>The rank is that of the tensors; {@code lora_alpha} is not in these files.
 */
final class LolcatsAdapters {
    private static final String A = ".lora_A";
    private static final String B = ".lora_B";

    private final SortedMap<LolcatsKey, LolcatsTensor> left;
    private final SortedMap<String, TensorSource> tensors = new TreeMap<>();
    private final List<String> faults = new ArrayList<>();
    private Optional<LoraSettings> settings = Optional.empty();

    private LolcatsAdapters(LolcatsCheckpoint checkpoint) {
        left = new TreeMap<>(checkpoint.tensors());
        left.keySet().removeIf(key -> !key.isAdapter());
    }

    /**
     * Compares without reading values.
     *
     * @param alpha {@code lora_alpha}
     */
    static LolcatsAdapters of(LolcatsCheckpoint checkpoint, ModelConfig model, double alpha) {
        LolcatsAdapters adapters = new LolcatsAdapters(checkpoint);
        if (!adapters.left.isEmpty()) {
            adapters.compare(model, alpha);
        }
        return adapters;
    }

    /** Absent if the checkpoint has no adapters. */
    Optional<LoraSettings> settings() {
        return settings;
    }

    /** A and B by PEFT's names, float32. */
    Map<String, TensorSource> tensors() {
        return tensors;
    }

    /** Every tensor that is missing, unexpected or of another shape. */
    List<String> faults() {
        return faults;
    }

    private void compare(ModelConfig model, double alpha) {
        Set<String> found = new TreeSet<>();
        left.keySet().forEach(key -> found.add(key.role().replace(A, "").replace(B, "")));
        List<String> modules =
                model.architecture().linears().keySet().stream().filter(found::contains).toList();
        LoraSettings asked = new LoraSettings(rank(), alpha, modules);
        settings = Optional.of(asked);
        for (LoraTarget target : LoraTarget.of(model, asked)) {
            take(target, A, target.nameOfA(), target.shapeOfA(asked));
            take(target, B, target.nameOfB(), target.shapeOfB(asked));
        }
        left.forEach(
                (key, tensor) ->
                        faults.add(
                                ("`" + tensor.name() + "`: the teacher has the layers 0 to ")
                                        + (model.numLayers() - 1)));
    }

    /** That of the first A; another one's shape is a fault. */
    private int rank() {
        for (Map.Entry<LolcatsKey, LolcatsTensor> entry : left.entrySet()) {
            List<Long> shape = entry.getValue().shape();
            if (entry.getKey().role().endsWith(A) && shape.size() == 2 && shape.get(0) > 0) {
                return Math.toIntExact(shape.get(0));
            }
        }
        return 1;
    }

    private void take(LoraTarget target, String part, String name, List<Long> shape) {
        LolcatsTensor tensor = left.remove(new LolcatsKey(target.layer(), target.role() + part));
        if (tensor == null) {
            faults.add("`" + name + "`: missing");
        } else if (!tensor.shape().equals(shape)) {
            faults.add(
                    ("`" + tensor.name() + "`: expected shape " + shape + ", found ")
                            + tensor.shape());
        } else if (!tensor.isFloat()) {
            faults.add(
                    ("`" + tensor.name() + "`: expected F32, BF16 or F16, found ")
                            + tensor.tensor().dtype());
        } else {
            tensors.put(name, tensor.asFloat32());
        }
    }
}
