package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.data.CharTokenizer;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a stage makes of its validation losses. */
class MeasurementsTest {
    private static final String BEST =
            "{tokens: 24, batch_size: 1, keep_best: true, validate_every: 1, save_every: 2}";
    private static final String PLATEAU =
            "{tokens: 40, batch_size: 1, scheduler: plateau, plateau_patience: 1,"
                    + " plateau_factor: 0.5, min_lr_ratio: 0.1, warmup_ratio: 0.0,"
                    + " learning_rate: 1.0, validate_every: 1, save_every: 3, log_every: 1}";

    @TempDir Path dir;

    private final List<Double> rates = new ArrayList<>();

    /** Thrown by {@link #train} after the given step. */
    private static final int NEVER = Integer.MAX_VALUE;

    /** Training data of several sequences of four tokens, validation data of one. */
    private void train(ScriptedObjective objective, String settings, String name, int killAfter)
            throws IOException {
        TrainingListener listener =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        rates.add(step.learningRate());
                        if (step.step() == killAfter) {
                            throw new IllegalStateException("pulled the plug");
                        }
                    }
                };
        new TrainingLoop(
                        data("abcdefghijklmnop"),
                        Optional.of(data("abcd")),
                        Tiny.transfer(settings),
                        3,
                        listener)
                .run(
                        objective,
                        objective.manager,
                        new StageCheckpoints(dir.resolve(name), Map.of()));
    }

    private PackedDataset data(String text) throws IOException {
        Path file = Files.writeString(dir.resolve("text.txt"), text);
        return Packed.load(List.of(file), DataFormat.TEXT, 4, new CharTokenizer(false, false));
    }

    @Test
    @DisplayName("22: the best parameters come back at the end of the stage")
    void theBestParametersComeBack() throws IOException {
        try (ScriptedObjective objective = new ScriptedObjective(5, 4, 2, 3, 6, 7, 8)) {
            train(objective, BEST, "best", NEVER);

            assertEquals(7, objective.measured.size());
            assertEquals(objective.measured.get(2), objective.value());
            assertNotEquals(objective.measured.get(6), objective.value());
        }
    }

    @Test
    @DisplayName("22: the start is kept where training only did harm")
    void theStartIsKeptWhereTrainingDidHarm() throws IOException {
        try (ScriptedObjective objective = new ScriptedObjective(1, 4, 2, 3, 6, 7, 8)) {
            train(objective, BEST, "best", NEVER);

            assertEquals(1f, objective.value());
        }
    }

    @Test
    @DisplayName("22: without keep_best the last parameters stay")
    void withoutItTheLastParametersStay() throws IOException {
        try (ScriptedObjective objective = new ScriptedObjective(5, 4, 2, 3, 6, 7, 8)) {
            train(objective, BEST.replace("true", "false"), "last", NEVER);

            assertEquals(objective.measured.get(6), objective.value());
        }
    }

    @Test
    @DisplayName("22: a finished stage's checkpoint holds the best parameters")
    void aFinishedStagesCheckpointHoldsTheBest() throws IOException {
        float best;
        try (ScriptedObjective objective = new ScriptedObjective(5, 4, 2, 3, 6, 7, 8)) {
            train(objective, BEST, "best", NEVER);
            best = objective.value();
        }
        try (ScriptedObjective objective = new ScriptedObjective()) {
            train(objective, BEST, "best", NEVER);

            assertEquals(best, objective.value());
            assertEquals(List.of(), objective.batches);
        }
    }

    @Test
    @DisplayName("22: a resumed run remembers the best parameters of before")
    void aResumedRunRemembersTheBest() throws IOException {
        float best;
        try (ScriptedObjective objective = new ScriptedObjective(5, 4, 2, 3, 6, 7)) {
            assertThrows(
                    IllegalStateException.class, () -> train(objective, settings(BEST), "cut", 5));
            best = objective.measured.get(2);
        }
        try (ScriptedObjective objective = new ScriptedObjective(7, 8)) {
            train(objective, settings(BEST), "cut", NEVER);

            assertEquals(2, objective.measured.size(), "steps 5 and 6 are measured again");
            assertEquals(best, objective.value());
        }
    }

    private static String settings(String base) {
        return base.replace("save_every", "log_every: 1, save_every");
    }

    @Test
    @DisplayName("22: a plateau's cuts reach the optimizer and end at min_lr_ratio of the peak")
    void aPlateauCutsTheRate() throws IOException {
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            train(objective, PLATEAU, "plateau", NEVER);
        }

        assertEquals(List.of(1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1), rates);
    }

    @Test
    @DisplayName("22: a resumed run cuts its rate where one in one go does, to the same bits")
    void aResumedPlateauCutsWhereOneInOneGoDoes() throws IOException {
        float expected;
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            train(objective, PLATEAU, "whole", NEVER);
            expected = objective.value();
        }
        List<Double> inOneGo = List.copyOf(rates);
        rates.clear();
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            assertThrows(IllegalStateException.class, () -> train(objective, PLATEAU, "parts", 5));
        }
        rates.subList(3, rates.size()).clear();
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            train(objective, PLATEAU, "parts", NEVER);

            assertEquals(inOneGo, rates);
            assertEquals(expected, objective.value());
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"scheduler: plateau", "keep_best: true"})
    @DisplayName("22: what goes by measurements asks for some")
    void whatGoesByMeasurementsAsksForSome(String line) {
        ConfigException e =
                assertThrows(
                        ConfigException.class, () -> Tiny.transfer("{tokens: 100, " + line + "}"));

        assertEquals("validate_every", e.problems().get(0).path());
        assertTrue(e.getMessage().contains("`" + line + "`"), e.getMessage());
    }

    @Test
    @DisplayName("22: measurements without validation data are refused before the first step")
    void measurementsWithoutDataAreRefused() throws IOException {
        try (ScriptedObjective objective = new ScriptedObjective()) {
            TrainingLoop loop =
                    new TrainingLoop(
                            data("abcdefgh"),
                            Optional.empty(),
                            Tiny.transfer("{tokens: 100, validate_every: 1}"),
                            3,
                            new TrainingListener() {});

            InvalidValueException e =
                    assertThrows(
                            InvalidValueException.class,
                            () ->
                                    loop.run(
                                            objective,
                                            objective.manager,
                                            new StageCheckpoints(dir, Map.of())));

            assertEquals("scripted.validate_every", e.key());
            assertEquals(List.of(), objective.batches);
        }
    }

    @Test
    @DisplayName("a step that is only timed is computed twice, measured once, and changes nothing")
    void aTimedStepMeasuresToo() throws IOException {
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            TrainingLoop loop =
                    new TrainingLoop(
                            data("abcdefgh"),
                            Optional.of(data("abcdefgh")),
                            Tiny.transfer("{tokens: 100, gradient_accumulation_steps: 2}"),
                            3,
                            new TrainingListener() {});

            double seconds = loop.secondsPerStep(objective, objective.manager);

            assertTrue(seconds > 0);
            assertEquals(2, objective.batches.size());
            assertEquals(List.of(1f), objective.measured);
        }
    }
}
