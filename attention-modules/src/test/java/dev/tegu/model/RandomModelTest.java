package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.ArraySizes;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Models that are made to be measured. */
final class RandomModelTest {
    private static DecoderModel model(DType type, long seed) throws IOException {
        ModelConfig config =
                ModelConfig.parse(TinyModels.config(true), "test")
                        .withLinearAttention(Optional.of(AttentionPresets.spec("lolcats")));
        return DecoderModel.random(config, Device.cpu(), seed, type);
    }

    private static float[] logits(DecoderModel model) {
        NDArray ids = model.manager().zeros(new Shape(1, 5), DataType.INT64);
        return model.logits(model.forward(ids)).toFloatArray();
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    void weightsHaveTheTypeAndParametersAreFloat32(DType type) throws IOException {
        try (DecoderModel model = model(type, 3)) {
            NDArray weight = model.layers().get(0).weights().get("q_proj.weight");

            assertEquals(type, model.dtype());
            assertEquals(weight.size() * type.byteSize(), ArraySizes.bytes(weight));
            model.layers()
                    .get(0)
                    .parameters()
                    .values()
                    .forEach(p -> assertEquals(DataType.FLOAT32, p.getDataType()));
            for (float logit : logits(model)) {
                assertTrue(Float.isFinite(logit));
            }
        }
    }

    @Test
    void theSeedDecides() throws IOException {
        try (DecoderModel one = model(DType.F32, 3);
                DecoderModel same = model(DType.F32, 3);
                DecoderModel other = model(DType.F32, 4)) {
            assertArrayEquals(logits(one), logits(same));
            assertTrue(logits(one)[0] != logits(other)[0]);
        }
    }
}
