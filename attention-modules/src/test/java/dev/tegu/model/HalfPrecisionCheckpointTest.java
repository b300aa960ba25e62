package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import dev.tegu.checkpoint.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Checkpoints in bfloat16 and float16 compute in float32, with the rounded weights. */
class HalfPrecisionCheckpointTest {
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    @DisplayName("9: a half-precision checkpoint is the float32 model of its rounded weights")
    void roundedWeightsInFloat32(DType dtype, @TempDir Path dir) throws Exception {
        Path checkpoint = TinyModels.teacher(dir.resolve("model"), false, dtype);
        try (DecoderModel loaded = DecoderModel.load(checkpoint, ai.djl.Device.cpu());
                DecoderModel exact = TinyModels.random(TinyModels.config(false), 1)) {
            float[] unrounded = TinyModels.logits(exact);
            List<NDArray> weights = new ArrayList<>(exact.ends());
            exact.layers().forEach(layer -> weights.addAll(layer.weights().values()));
            weights.forEach(weight -> round(weight, dtype));

            float[] found = TinyModels.logits(loaded);

            loaded.layers()
                    .forEach(
                            layer ->
                                    layer.weights()
                                            .values()
                                            .forEach(
                                                    w ->
                                                            assertEquals(
                                                                    DataType.FLOAT32,
                                                                    w.getDataType())));
            assertArrayEquals(TinyModels.logits(exact), found);
            assertTrue(TinyModels.distance(unrounded, found) > 1e-4);
        }
    }

    private static void round(NDArray weight, DType dtype) {
        float[] values = weight.toFloatArray();
        try (NDArray rounded =
                dtype == DType.BF16
                        ? weight.getManager().create(bfloat16(values), weight.getShape())
                        : weight.toType(DataType.FLOAT16, true).toType(DataType.FLOAT32, false)) {
            weight.muli(0).addi(rounded);
        }
    }

    /** To nearest, ties to even, by comparing with both neighbours. */
    private static float[] bfloat16(float[] values) {
        float[] rounded = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            int bits = Float.floatToRawIntBits(values[i]) & 0xffff0000;
            float toZero = Float.intBitsToFloat(bits);
            float away = Float.intBitsToFloat(bits + 0x10000);
            double below = Math.abs((double) values[i] - toZero);
            double above = Math.abs((double) away - values[i]);
            boolean isEven = (bits & 0x10000) == 0;
            rounded[i] = below < above || below == above && isEven ? toZero : away;
        }
        return rounded;
    }
}
