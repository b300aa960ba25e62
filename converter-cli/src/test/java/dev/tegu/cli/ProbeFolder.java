package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.tegu.attention.AttentionParameter;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;

/** Runs {@code probe attention} on tensors of a test. */
final class ProbeFolder {
    private final Path dir;
    final Map<String, TensorSource> tensors = new TreeMap<>();

    ProbeFolder(Path dir) {
        this.dir = dir;
    }

    /** Everything that a layer reads: queries, keys, values, positions, parameters, gradient. */
    void putAll(AttentionSpec spec, AttentionShape shape, long batch, long length) {
        long width = shape.headDim();
        put("q", batch, shape.numHeads(), length, width);
        put("k", batch, shape.numKvHeads(), length, width);
        put("v", batch, shape.numKvHeads(), length, width);
        put("cos", length, width);
        put("sin", length, width);
        put("grad_output", batch, shape.numHeads(), length, width);
        if (spec.gate().readsInput()) {
            put("x", batch, length, shape.hiddenSize());
        }
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            put(parameter.name(), parameter.shape().stream().mapToLong(Long::longValue).toArray());
        }
    }

    /** Random numbers in [-1, 1), the same for the same name and shape. */
    void put(String name, long... shape) {
        put(name, DoubleUnaryOperator.identity(), shape);
    }

    /** As {@link #put(String, long...)}, each number changed. */
    void put(String name, DoubleUnaryOperator change, long... shape) {
        SplittableRandom random = new SplittableRandom(name.hashCode());
        ByteBuffer bytes = bytes(4, shape);
        while (bytes.hasRemaining()) {
            bytes.putFloat((float) change.applyAsDouble(2 * random.nextDouble() - 1));
        }
        put(name, DType.F32, bytes, shape);
    }

    /**
     * The random numbers of these tensors, where they exist, cut to the upper half of their bits.
     */
    void cutToBfloat16(String... names) {
        for (String name : names) {
            if (tensors.containsKey(name)) {
                List<Long> dimensions = tensors.get(name).shape();
                long[] shape = dimensions.stream().mapToLong(Long::longValue).toArray();
                SplittableRandom random = new SplittableRandom(name.hashCode());
                ByteBuffer halves = bytes(2, shape);
                while (halves.hasRemaining()) {
                    float value = (float) (2 * random.nextDouble() - 1);
                    halves.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                }
                put(name, DType.BF16, halves, shape);
            }
        }
    }

    /** Whole numbers. */
    void putLongs(String name, long[] values, long... shape) {
        ByteBuffer bytes = bytes(8, shape);
        Arrays.stream(values).forEach(bytes::putLong);
        put(name, DType.I64, bytes, shape);
    }

    /** Bytes as they stand in the file. */
    void putBytes(String name, DType dtype, byte[] values, long... shape) {
        put(name, dtype, ByteBuffer.wrap(values).position(values.length), shape);
    }

    private static ByteBuffer bytes(int each, long... shape) {
        int size = Math.toIntExact(each * Arrays.stream(shape).reduce(1, (a, b) -> a * b));
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void put(String name, DType dtype, ByteBuffer bytes, long... shape) {
        bytes.flip();
        List<Long> dimensions = Arrays.stream(shape).boxed().toList();
        tensors.put(name, TensorSource.of(dtype, dimensions, bytes::duplicate));
    }

    /**
     * Runs the command.
     *
     * @param spec a preset's name or YAML
     */
    Invocation run(String form, String spec, String... more) throws IOException {
        Path in = dir.resolve("in.safetensors");
        Files.deleteIfExists(in);
        SafetensorsWriter.write(in, tensors);
        String named = spec;
        if (spec.contains(":")) {
            named = Files.writeString(dir.resolve("spec.yaml"), spec).toString();
        }
        Stream<String> arguments =
                Stream.of(
                        "probe",
                        "attention",
                        "--spec=" + named,
                        "--tensors=" + in,
                        "--output=" + dir.resolve("out.safetensors"),
                        "--form=" + form,
                        "--device=cpu");
        return Invocation.of(Stream.concat(arguments, Arrays.stream(more)).toArray(String[]::new));
    }

    /** Runs the command and reads the floats it wrote. */
    Map<String, float[]> probe(String form, String spec, String... more) throws IOException {
        Invocation run = run(form, spec, more);
        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        Map<String, float[]> found = new TreeMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(dir.resolve("out.safetensors"))) {
            for (String name : file.tensors().keySet()) {
                if (file.info(name).dtype() == DType.F32) {
                    FloatBuffer values =
                            file.map(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
                    float[] copy = new float[values.remaining()];
                    values.get(copy);
                    found.put(name, copy);
                }
            }
        }
        return found;
    }

    /** Each of {@code expected} is in {@code found}, within 1e-4 times its largest number. */
    static void assertClose(Map<String, float[]> expected, Map<String, float[]> found) {
        assertClose(expected, found, 1e-4);
    }

    /** The same within another share of the largest number. */
    static void assertClose(
            Map<String, float[]> expected, Map<String, float[]> found, double tolerance) {
        expected.forEach((name, values) -> assertClose(name, values, found.get(name), tolerance));
    }

    static void assertClose(String name, float[] expected, float[] found) {
        assertClose(name, expected, found, 1e-4);
    }

    static void assertClose(String name, float[] expected, float[] found, double tolerance) {
        assertEquals(expected.length, found.length, name);
        double largest = 1;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], tolerance * largest, name + " at " + i);
        }
    }
}
