package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SharedFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Tiny models of every family. */
public final class Families {
    /**
     * With weights, and with what transformers computes of them: made by
     * scripts/make-family-fixtures.py.
     */
    static final List<String> OWN =
            List.of(
                    "gemma2",
                    "gpt2-n_inner",
                    "gpt_neox-parallel",
                    "gpt_neox-sequential",
                    "mistral-head_dim",
                    "mixtral",
                    "olmo2",
                    "phi",
                    "phi3-longrope",
                    "phi3-window");

    /** The same beside the project. */
    static final List<String> SHARED =
            List.of("gpt2", "llama-gqa", "llama3-rope-tied", "mistral-window", "qwen2", "qwen3");

    private Families() {}

    /** Every family that has a config.json here, to make random models of. */
    public static Stream<String> all() {
        return Stream.concat(
                OWN.stream(), Stream.of("llama", "gpt2", "mistral-window", "qwen2", "qwen3"));
    }

    /**
     * Folder of a model with weights; a shared one that is not there skips the test.
     *
     * @param dir where the files of {@link #OWN} are put
     */
    static Path path(String name, Path dir) throws IOException {
        if (SHARED.contains(name)) {
            return SharedFiles.path("fixtures/" + name);
        }
        Path folder = Files.createDirectories(dir.resolve(name));
        for (String file : List.of("config.json", "model.safetensors", "expected.safetensors")) {
            Files.write(folder.resolve(file), bytes(name, file));
        }
        return folder;
    }

    private static byte[] bytes(String name, String file) throws IOException {
        try (InputStream in = Families.class.getResourceAsStream("families/" + name + "/" + file)) {
            return in.readAllBytes();
        }
    }

    /** config.json of one of {@link #all}. */
    public static ObjectNode config(String name) throws IOException {
        return (ObjectNode) new ObjectMapper().readTree(bytes(name, "config.json"));
    }

    /**
     * A random model in which nothing is zero or one.
     *
     * @param method of a student; absent: a teacher
     */
    public static DecoderModel random(String name, Optional<AttentionSpec> method)
            throws IOException {
        return random(
                method.isPresent()
                        ? StudentConfig.of(config(name), "config.json", method.get())
                        : config(name));
    }

    static DecoderModel random(ObjectNode config) throws IOException {
        DecoderModel model = TinyModels.random(config, 7);
        TinyModels.disturb(model);
        model.layers().forEach(layer -> layer.weights().values().forEach(Families::disturb));
        disturb(model.ends().get(1));
        model.moreEnds().values().forEach(Families::disturb);
        return model;
    }

    private static void disturb(NDArray array) {
        if (array.getShape().dimension() == 1) {
            TinyModels.add(array, 0.3, (int) array.size());
        }
    }

    static long[] longs(SafetensorsFile file, String name) throws IOException {
        LongBuffer buffer = file.map(name).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
        long[] values = new long[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    static float[] floats(SafetensorsFile file, String name) throws IOException {
        float[] values = new float[(int) file.info(name).elementCount()];
        file.map(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }
}
