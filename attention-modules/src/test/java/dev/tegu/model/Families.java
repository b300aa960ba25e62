package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SharedFiles;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;

/** Tiny models of every family, with what transformers computes of them. */
final class Families {
    /** Here, made by scripts/make-family-fixtures.py. */
    static final List<String> OWN =
            List.of(
                    "gemma2",
                    "gpt_neox-parallel",
                    "gpt_neox-sequential",
                    "mistral-head_dim",
                    "mixtral",
                    "olmo2",
                    "phi",
                    "phi3-longrope",
                    "phi3-window");

    /** Beside the project. */
    static final List<String> SHARED =
            List.of("gpt2", "llama-gqa", "llama3-rope-tied", "mistral-window", "qwen2", "qwen3");

    private Families() {}

    /** Folder of a fixture; a shared one that is not there skips the test. */
    static Path path(String name) throws IOException {
        if (SHARED.contains(name)) {
            return SharedFiles.path("fixtures/" + name);
        }
        try {
            return Path.of(Families.class.getResource("families/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The fixture's texts, [2, T]. */
    static NDArray ids(SafetensorsFile expected, NDManager owner) throws IOException {
        return owner.create(
                longs(expected, "input_ids"), new Shape(expected.info("input_ids").dimensions()));
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
