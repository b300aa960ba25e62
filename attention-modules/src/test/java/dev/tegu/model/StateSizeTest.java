package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.AttentionState;
import dev.tegu.attention.LinearAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class StateSizeTest {
    private static final AttentionShape SHAPE = new AttentionShape(6, 2, 8, 48);

    /** Corners that no preset stands in: waiting keys, waiting gates of each kind, kept tokens. */
    private static final List<String> CORNERS =
            List.of(
                    "{window: {size: 5}, linear_scope: outside_window, linear_rope: false}",
                    "{gate: scalar, window: {size: 5, rope: false}, linear_scope: outside_window}",
                    "{gate: {kind: scalar, per: layer}, window: {size: 5, shape: terrace},"
                            + " linear_scope: outside_window}",
                    "{gate: low_rank_vector, window: {size: 5, shape: terrace, keep_first: 3},"
                            + " linear_scope: outside_window}",
                    "{gate: {kind: low_rank_vector, per: layer}, window: {size: 5},"
                            + " linear_scope: outside_window}",
                    "{gate: scalar, linear_scope: outside_window}",
                    "{feature_map: {kind: taylor, feature_dim: 3}, window: {size: 2, sinks: 4}}");

    static Stream<String> methods() {
        return Stream.concat(AttentionPresets.NAMES.stream(), CORNERS.stream());
    }

    private static AttentionSpec spec(String method) {
        return method.startsWith("{") ? TinyModels.spec(method) : AttentionPresets.spec(method);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void theSumOfSizesIsTheStateThatALayerMakes(String method) {
        AttentionSpec spec = spec(method);
        try (NDManager manager = Engines.newManager(Device.cpu());
                LinearAttention layer = new LinearAttention(spec, SHAPE, 64)) {
            NDArray q = manager.zeros(new Shape(1, 6, 1, 8));
            NDArray k = manager.zeros(new Shape(1, 2, 1, 8));
            NDArray v = manager.zeros(new Shape(1, 2, 1, 8));

            AttentionState state = layer.emptyState(q, k, v);

            assertEquals(state.sizeBytes(), StateSize.of(spec, SHAPE));
        }
    }

    @Test
    void aPlainWindowOfEqualBytesIsRoundedUp() {
        // 2 keys and values a token, 2 heads of 8 float32: 128 bytes
        assertEquals(128 * 64, StateSize.ofWindow(64, SHAPE));
        // 64 tokens, 6 heads of 16 features by 8 values and their sum, two counters
        AttentionSpec lolcats = AttentionPresets.spec("lolcats");
        assertEquals(64 * 128 + 6 * 16 * 9 * 4 + 16, StateSize.of(lolcats, SHAPE));
        assertEquals(64 + 27 + 1, StateSize.equalWindow(lolcats, SHAPE));
    }

    @Test
    void theCacheOfAHalfModelIsHalfAsLarge() throws IOException {
        ModelConfig config = ModelConfig.parse(TinyModels.config(true), "config.json");
        try (DecoderModel wide = DecoderModel.random(config, Device.cpu(), 0, DType.F32);
                DecoderModel half = DecoderModel.random(config, Device.cpu(), 0, DType.BF16)) {
            long bytes = StateSize.atFullContext(wide);

            assertEquals(
                    (long) config.maxPositions()
                            * config.numLayers()
                            * StateSize.ofWindow(1, config.shape()),
                    bytes);
            assertEquals(bytes / 2, StateSize.atFullContext(half));
        }
    }
}
