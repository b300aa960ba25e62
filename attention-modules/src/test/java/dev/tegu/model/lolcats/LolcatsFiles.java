package dev.tegu.model.lolcats;

import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.pickle.TorchFileWriter;

/** Checkpoints of LoLCATs for {@code TinyModels}: 4 heads of width 4, hidden size 16. */
public final class LolcatsFiles {
    /** Names before PEFT wraps the model. */
    public static final String PLAIN = "model.layers.";

    /** Names after. */
    public static final String WRAPPED = "base_model.model.model.layers.";

    private static final long HEADS = 4;
    private static final long HEAD_DIM = 4;

    private LolcatsFiles() {}

    /** Values that every float type holds exactly: up to 1 in steps of 1/64. */
    public static float[] values(String name, int size) {
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (Math.floorMod(name.hashCode() + 37 * i + i * i, 129) - 64) / 64f;
        }
        return values;
    }

    /** Adds a tensor whose values depend on {@code seed} alone. */
    public static void put(
            TorchFileWriter file, String name, String seed, DType dtype, long... shape) {
        int size = 1;
        for (long d : shape) {
            size *= (int) d;
        }
        file.put(name, dtype, shape, values(seed, size));
    }

    /** Both feature maps and the window factors of a layer. */
    public static void layer(
            TorchFileWriter file, String prefix, int layer, DType dtype, int featureDim) {
        String attention = prefix + layer + ".self_attn.";
        for (String side : new String[] {"q", "k"}) {
            String name = attention + "feature_map_" + side + ".mlp.layer";
            put(file, name, seed(layer, side), dtype, HEADS, HEAD_DIM, featureDim);
        }
        put(file, attention + "window_factors", seed(layer, "w"), dtype, 1, HEADS, 1, 1);
    }

    /** A bias for each head of both feature maps. */
    public static void biases(TorchFileWriter file, String prefix, int layer, DType dtype) {
        for (String side : new String[] {"q", "k"}) {
            String name = prefix + layer + ".self_attn.feature_map_" + side + ".mlp.bias";
            put(file, name, seed(layer, side + "bias"), dtype, 1, HEADS, 1, 1);
        }
    }

    /** The adapters of a layer's four projections; the keys and values have 2 heads. */
    public static void adapters(TorchFileWriter file, String suffix, int layer, int rank) {
        for (String module : new String[] {"q", "k", "v", "o"}) {
            String name = WRAPPED + layer + ".self_attn." + module + "_proj.lora_";
            long out = module.equals("k") || module.equals("v") ? 8 : 16;
            String seed = seed(layer, module);
            put(file, name + "A" + suffix, seed + "A", DType.BF16, rank, 16);
            put(file, name + "B" + suffix, seed + "B", DType.BF16, out, rank);
        }
    }

    /** What {@link #values} takes for a tensor of a layer: {@code q}, {@code k}, {@code w}. */
    public static String seed(int layer, String what) {
        return layer + "/" + what;
    }
}
