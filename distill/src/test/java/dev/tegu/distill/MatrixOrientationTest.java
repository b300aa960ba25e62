package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.util.Pair;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stage 0. */
class MatrixOrientationTest {
    @TempDir Path dir;

    private static DecoderModel student(String preset) throws IOException {
        DecoderModel model = Tiny.student(2, Tiny.method(preset, "[1]"));
        TinyModels.disturb(model);
        return model;
    }

    @Test
    void theLossIsTheOneComputedByHandOnTheFirstTokens() throws IOException {
        int length = 9;
        try (DecoderModel model = student("lolcats");
                MatrixOrientation orientation =
                        new MatrixOrientation(
                                model, Tiny.stage0("{tokens: 1, sequence_length: 9}"));
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 2);
            DecoderLayer layer = model.layers().get(0);
            DecoderLayer.Projected in = layer.project(model.embed(ids));
            HandAttention hand = new HandAttention(in, model.rope(scope, 0, Tiny.LENGTH), layer, 4);
            double error = 0;
            double size = 0;
            for (int b = 0; b < 2; b++) {
                for (int h = 0; h < 4; h++) {
                    for (int t = 0; t < length; t++) {
                        Pair<double[], double[]> both = hand.weights(b, h, t);
                        for (int j = 0; j <= t; j++) {
                            error += Math.pow(both.getKey()[j] - both.getValue()[j], 2);
                            size += Math.pow(both.getKey()[j], 2);
                        }
                    }
                }
            }

            Losses losses = orientation.loss(TrainingBatch.of(ids, ids));

            assertEquals(error / (2 * 4 * length), losses.total(), 1e-5 * losses.total());
            assertEquals(1, losses.parts().size());
            assertEquals("layers.0", losses.parts().get(0).name());
            assertEquals(error / size, losses.parts().get(0).relative(), 1e-5);
        }
    }

    @Test
    void tokensCountAsTheStageReadsThemAndMatricesComeNear() throws IOException {
        List<Double> losses = new ArrayList<>();
        List<TrainingListener.Stage> stages = new ArrayList<>();
        List<Long> tokens = new ArrayList<>();
        TrainingListener listener =
                new TrainingListener() {
                    @Override
                    public void stageStarted(Stage stage) {
                        stages.add(stage);
                    }

                    @Override
                    public void stepFinished(Step step) {
                        losses.add(step.losses().total());
                        tokens.add(step.tokens());
                    }
                };
        MatrixOrientationSettings settings =
                Tiny.stage0(
                        "{tokens: 480, sequence_length: 8, batch_size: 2, log_every: 1,"
                                + " learning_rate: 0.05}");
        try (DecoderModel model = student("lizard");
                MatrixOrientation orientation = new MatrixOrientation(model, settings)) {
            new TrainingLoop(Tiny.data(dir), Optional.empty(), settings.training(), 3, listener)
                    .run(
                            orientation,
                            model.manager(),
                            new StageCheckpoints(dir.resolve("a"), Map.of()));
        }

        assertEquals(30, stages.get(0).totalSteps());
        assertEquals(30, losses.size());
        assertEquals(480, tokens.get(29));
        assertTrue(losses.get(29) < 0.7 * losses.get(0), losses.toString());
    }

    @Test
    void sequencesMustBeAsLongAsWhatIsRead() throws IOException {
        try (DecoderModel model = student("lolcats");
                MatrixOrientation orientation =
                        new MatrixOrientation(model, Tiny.stage0("{tokens: 1}"))) {
            InvalidValueException e =
                    assertThrows(InvalidValueException.class, () -> orientation.tokensRead(127));

            assertEquals("matrix_orientation.sequence_length", e.key());
            assertEquals(
                    "expected at most 127, the `sequence_length` of `data`, found 128",
                    e.getMessage());
            assertEquals(128, orientation.tokensRead(2048));
        }
    }

    @Test
    void aNormBehindTheHeadsIsLeftAlone() throws IOException {
        try (DecoderModel gla = student("gla");
                MatrixOrientation trained = new MatrixOrientation(gla, Tiny.stage0("{tokens: 1}"));
                DecoderModel retnet = student("retnet");
                MatrixOrientation nothing =
                        new MatrixOrientation(retnet, Tiny.stage0("{tokens: 1}"))) {
            assertEquals(List.of(), nothing.groups());
            trained.groups()
                    .get(0)
                    .parameters()
                    .keySet()
                    .forEach(name -> assertEquals(ParameterKind.GATE, ParameterKind.of(name)));
        }
    }
}
