package dev.tegu.checkpoint.pickle;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TorchFileTest {
    @TempDir Path dir;

    private static float[] floats(TorchTensor tensor) throws IOException {
        float[] values = new float[(int) tensor.byteLength() / Float.BYTES];
        tensor.bytes().asFloatBuffer().get(values);
        return values;
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void everyNumberTypeIsReadByItsBytes(DType dtype) throws IOException {
        float[] values = {1, 0, 1, 1, 0, 1};
        Path path =
                TorchFileWriter.flat()
                        .put("a.weight", dtype, new long[] {2, 3}, values)
                        .write(dir.resolve("a.pt"));

        try (TorchFile file = TorchFile.open(path)) {
            TorchTensor tensor = file.tensor("a.weight");
            assertEquals(dtype, tensor.dtype());
            assertEquals(List.of(2L, 3L), tensor.shape());
            ByteBuffer bytes = tensor.bytes();
            assertEquals(6 * dtype.byteSize(), bytes.remaining());
            for (int i = 0; i < values.length; i++) {
                boolean isZero = true;
                for (int b = 0; b < dtype.byteSize(); b++) {
                    isZero &= bytes.get(i * dtype.byteSize() + b) == 0;
                }
                assertEquals(values[i] == 0, isZero, "element " + i);
            }
        }
    }

    @ParameterizedTest(name = "deflated {0}, protocol 4 {1}")
    @CsvSource({"false, false", "true, false", "false, true", "true, true"})
    void plainTensorsAndParametersAreReadFromPackedFilesToo(boolean deflated, boolean newer)
            throws IOException {
        TorchFileWriter writer = newer ? TorchFileWriter.flatOfProtocol4() : TorchFileWriter.flat();
        writer.put("a", DType.F32, new long[] {3}, 1.5f, -2, 3).asParameters();
        writer.put("b", DType.F32, new long[] {2, 1}, 7, 8).scalar("step", 70_000);
        Path path = (deflated ? writer.deflated() : writer).write(dir.resolve("a.pt"));

        try (TorchFile file = TorchFile.open(path)) {
            assertArrayEquals(new float[] {1.5f, -2, 3}, floats(file.tensor("a")));
            assertArrayEquals(new float[] {7, 8}, floats(file.tensor("b")));
            assertEquals(Map.of("step", 70_000L), file.scalars());
        }
    }

    @Test
    void theInnerDictGivesTheTensorsAndTheOuterOneTheFacts() throws IOException {
        Path path =
                TorchFileWriter.wrapped("model_state_dict")
                        .put("a", DType.F32, new long[] {}, 4)
                        .write(dir.resolve("a.pt"));

        try (TorchFile file = TorchFile.open(path)) {
            assertEquals(List.of(), file.tensor("a").shape());
            assertArrayEquals(new float[] {4}, floats(file.tensor("a")));
            assertEquals(Map.of("step", 1600L, "distill/eval/loss", 0.125), file.scalars());
            assertTrue(file.others().isEmpty());
        }
    }

    @Test
    void viewsAreReadInTheirOwnOrder() throws IOException {
        float[] storage = new float[24];
        for (int i = 0; i < storage.length; i++) {
            storage[i] = i;
        }
        Path path =
                TorchFileWriter.flat()
                        .view("transposed", DType.F32, 0, dims(4, 6), dims(1, 4), storage)
                        .view("slice", DType.F32, 2, dims(3, 2), dims(8, 1), storage)
                        .view("tail", DType.F32, 20, dims(2, 2), dims(2, 1), storage)
                        .view("single", DType.F32, 5, dims(1, 3, 1), dims(99, 1, 77), storage)
                        .view("none", DType.F32, 0, dims(0, 3), dims(3, 1), storage)
                        .write(dir.resolve("a.pt"));

        try (TorchFile file = TorchFile.open(path)) {
            float[] expected = new float[24];
            for (int i = 0; i < 24; i++) {
                expected[i] = i / 6 + i % 6 * 4;
            }
            assertArrayEquals(expected, floats(file.tensor("transposed")));
            assertArrayEquals(new float[] {2, 3, 10, 11, 18, 19}, floats(file.tensor("slice")));
            assertArrayEquals(new float[] {20, 21, 22, 23}, floats(file.tensor("tail")));
            assertArrayEquals(new float[] {5, 6, 7}, floats(file.tensor("single")));
            assertArrayEquals(new float[] {}, floats(file.tensor("none")));
        }
    }

    @ParameterizedTest(name = "deflated {0}")
    @ValueSource(booleans = {false, true})
    void largeTensorsAreWrittenInPiecesWithoutALoss(boolean deflated) throws IOException {
        int rows = 700;
        int columns = 500;
        float[] storage = new float[rows * columns];
        for (int i = 0; i < storage.length; i++) {
            storage[i] = i;
        }
        TorchFileWriter writer = TorchFileWriter.flat();
        writer.view("a", DType.F32, 0, dims(columns, rows), dims(1, columns), storage);
        writer.put("b", DType.F32, dims(columns, rows), storage);
        Path path = (deflated ? writer.deflated() : writer).write(dir.resolve("a.pt"));
        Path copy = dir.resolve("a.safetensors");

        try (TorchFile file = TorchFile.open(path)) {
            Map<String, TensorSource> tensors = new TreeMap<>();
            file.tensors().forEach((name, tensor) -> tensors.put(name, tensor.source()));
            SafetensorsWriter.write(copy, tensors);
        }

        try (SafetensorsFile file = SafetensorsFile.open(copy)) {
            FloatBuffer transposed = file.map("a").asFloatBuffer();
            FloatBuffer plain = file.map("b").asFloatBuffer();
            assertEquals(storage.length, transposed.remaining());
            assertEquals(storage.length, plain.remaining());
            for (int i = 0; i < storage.length; i++) {
                assertEquals(storage[i % rows * columns + i / rows], transposed.get(i));
                assertEquals(storage[i], plain.get(i));
            }
        }
    }

    /** Beyond 65,535 entries the archive's directory has its 64-bit form. */
    @Test
    void archivesOfManyEntriesAreRead() throws IOException {
        Map<String, byte[]> entries = new TreeMap<>();
        for (int i = 0; i < 70_000; i++) {
            entries.put("archive/data/" + i, new byte[] {(byte) i});
        }
        PickleWriter pickle = new PickleWriter(2).op('}').text("last");
        pickle.tensor("ByteStorage", "69999", 1, 0, dims(1), dims(1)).op('s');
        Path path = TorchFileWriter.archive(dir.resolve("a.pt"), pickle.end(), entries, false);

        try (TorchFile file = TorchFile.open(path)) {
            assertEquals((byte) 69_999, file.tensor("last").bytes().get(0));
        }
    }

    @Test
    void attributesOfAnOrderedDictAreLetGo() throws IOException {
        PickleWriter pickle = new PickleWriter(2).global("collections", "OrderedDict").op(')', 'R');
        pickle.op('(').text("a").tensor("FloatStorage", "0", 1, 0, dims(1), dims(1)).op('u');
        pickle.op('}').text("_metadata").op('}', 's', 'b');
        Path path =
                TorchFileWriter.archive(
                        dir.resolve("a.pt"),
                        pickle.end(),
                        Map.of("archive/data/0", new byte[4]),
                        false);

        try (TorchFile file = TorchFile.open(path)) {
            assertEquals(List.of("a"), List.copyOf(file.tensors().keySet()));
        }
    }

    /** The other side: what libtorch itself writes, by its own pickler and archive writer. */
    @Test
    void aFileThatLibtorchWroteIsRead() throws IOException {
        Path path = dir.resolve("libtorch.pt");
        float[] values = {0.5f, -1, 2, 3, 4, 1e-3f};
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript script =
                        TorchScript.load(
                                TorchFileTest.class, "save.py", Map.of("file", path.toString()))) {
            NDArray x = manager.create(values, new Shape(2, 3));
            script.call("save", new TorchScript.Arguments().add(x)).close();
            byte[] half = x.toType(DataType.FLOAT16, true).toByteBuffer().array();

            try (TorchFile file = TorchFile.open(path)) {
                assertArrayEquals(values, floats(file.tensor("plain")));
                float[] transposed = {0.5f, 3, -1, 4, 2, 1e-3f};
                assertEquals(List.of(3L, 2L), file.tensor("transposed").shape());
                assertArrayEquals(transposed, floats(file.tensor("transposed")));
                byte[] found = new byte[12];
                file.tensor("half").bytes().get(found);
                assertEquals(DType.F16, file.tensor("half").dtype());
                assertArrayEquals(Arrays.copyOf(half, 12), found);
                assertEquals(DType.BF16, file.tensor("brain").dtype());
                short first = file.tensor("brain").bytes().getShort(0);
                assertEquals(0.5f, Float.intBitsToFloat(first << 16));
                assertFalse(file.tensors().containsKey("step"));
            }
        }
    }

    private static long[] dims(long... dims) {
        return dims;
    }
}
