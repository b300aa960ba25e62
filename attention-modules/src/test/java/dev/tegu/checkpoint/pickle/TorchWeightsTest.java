package dev.tegu.checkpoint.pickle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TorchWeightsTest {
    private static final int ROWS = 130;
    private static final int COLUMNS = 140;

    @TempDir Path dir;

    private Path file(boolean deflated) throws IOException {
        float[] storage = new float[ROWS * COLUMNS];
        for (int i = 0; i < storage.length; i++) {
            storage[i] = i;
        }
        TorchFileWriter writer = TorchFileWriter.flat();
        writer.view(
                "transposed",
                DType.F32,
                0,
                new long[] {COLUMNS, ROWS},
                new long[] {1, COLUMNS},
                storage);
        writer.put("plain", DType.F32, new long[] {ROWS, COLUMNS}, storage);
        writer.scalar("step", 3);
        return (deflated ? writer.deflated() : writer).write(dir.resolve("pytorch_model.bin"));
    }

    private static float expected(String name, int i) {
        return name.equals("plain") ? i : i % ROWS * COLUMNS + i / ROWS;
    }

    @ParameterizedTest(name = "deflated {0}")
    @ValueSource(booleans = {false, true})
    void everyPieceOfATensorIsThatOfTheWhole(boolean deflated) throws IOException {
        try (TorchWeights weights = TorchWeights.open(file(deflated))) {
            assertEquals(List.of("plain", "transposed"), List.copyOf(weights.tensors().keySet()));
            for (TensorInfo info : weights.tensors().values()) {
                ByteArrayOutputStream written = new ByteArrayOutputStream();
                weights.writeTo(info.name(), Channels.newChannel(written));
                ByteBuffer all =
                        ByteBuffer.wrap(written.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
                assertEquals(info.byteLength(), all.remaining());
                assertEquals(all, weights.map(info.name()));
                for (int at : new int[] {0, 1, 777, ROWS * COLUMNS - 5}) {
                    ByteBuffer piece = weights.map(info.name(), at * 4L, 20);
                    for (int i = at; i < at + 5; i++) {
                        assertEquals(expected(info.name(), i), piece.getFloat());
                        assertEquals(expected(info.name(), i), all.getFloat(i * 4));
                    }
                }
            }
        }
    }

    @Test
    void aFileWithoutTensorsIsRefused() throws IOException {
        Path path = TorchFileWriter.flat().scalar("step", 1).write(dir.resolve("a.bin"));

        CheckpointException e =
                assertThrows(CheckpointException.class, () -> TorchWeights.open(path));

        assertTrue(e.getMessage().startsWith("a.bin: holds no tensors;"), e.getMessage());
    }
}
