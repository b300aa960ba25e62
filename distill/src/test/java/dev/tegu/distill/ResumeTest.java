package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.MetricsLog;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.lora.LoraSettings;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A run that stops and goes on leaves the bytes of one that never stopped, in every stage. */
final class ResumeTest {
    private static final int NEVER = Integer.MAX_VALUE;

    /** Everything that a checkpoint must remember, and reports that do not fall on checkpoints. */
    private static final String EVERYTHING =
            "batch_size: 2, gradient_accumulation_steps: 3, learning_rate: 3.0e-2, log_every: 3,"
                    + " save_every: 7, validate_every: 4, scheduler: plateau, plateau_patience: 0,"
                    + " plateau_factor: 0.5, keep_best: true, early_stop_patience: 9";

    @TempDir private static Path shared;
    private static PackedDataset data;

    @TempDir private Path dir;

    /** What is trained. */
    private enum Stage {
        MATRIX_ORIENTATION {
            @Override
            DecoderModel model() throws IOException {
                return Tiny.student(2, Tiny.method("hedgehog", "[]"));
            }

            @Override
            void train(DecoderModel model, Training training) throws IOException {
                try (MatrixOrientation orientation =
                        new MatrixOrientation(
                                model,
                                Tiny.stage0("{tokens: 1, sequence_length: " + Tiny.LENGTH + "}"))) {
                    training.run(orientation);
                }
            }
        },
        ATTENTION_TRANSFER {
            @Override
            DecoderModel model() throws IOException {
                return Tiny.student(2, Tiny.method("lizard", "[]"));
            }

            @Override
            void train(DecoderModel model, Training training) throws IOException {
                try (AttentionTransfer transfer = new AttentionTransfer(model)) {
                    training.run(transfer);
                }
            }
        },
        LORA_FINETUNE {
            @Override
            DecoderModel model() throws IOException {
                return Tiny.student(1, Tiny.method("lolcats", "[]"));
            }

            @Override
            void train(DecoderModel model, Training training) throws IOException {
                LoraSettings settings = new LoraSettings(2, 4, List.of("q_proj", "o_proj"));
                LoraAdapters adapters = LoraAdapters.create(model, settings, 1);
                training.run(new NextToken("lora_finetune", model, adapters.parameters(), 0.1));
            }
        },
        PRETRAIN {
            @Override
            DecoderModel model() throws IOException {
                return Tiny.base(1);
            }

            @Override
            void train(DecoderModel model, Training training) throws IOException {
                training.run(NextToken.overAllWeights("pretrain", model));
            }
        };

        abstract DecoderModel model() throws IOException;

        abstract void train(DecoderModel model, Training training) throws IOException;
    }

    /** The loop over an objective that is open for the time of the call. */
    private interface Training {
        void run(Objective objective) throws IOException;
    }

    @BeforeAll
    static void readTheData() throws IOException {
        data = Tiny.data(shared);
    }

    /**
     * Trains, or goes on, in a model of its own, as another process would.
     *
     * @param stopAfter steps of this call
     * @return whether the stage has come to its end
     */
    private boolean train(Stage stage, int steps, String settings, String name, int stopAfter)
            throws IOException {
        TrainingSettings bound = Tiny.transfer("{tokens: 1, " + settings + "}");
        long tokens = steps * bound.tokensPerStep(Tiny.LENGTH);
        TrainingSettings all = Tiny.transfer("{tokens: " + tokens + ", " + settings + "}");
        AtomicInteger asked = new AtomicInteger();
        Path folder = Files.createDirectories(dir.resolve(name));
        StageCheckpoints checkpoints = new StageCheckpoints(folder.resolve("states"), Map.of());
        try (DecoderModel model = stage.model()) {
            stage.train(
                    model,
                    objective -> {
                        try (MetricsLog metrics =
                                MetricsLog.resume(
                                        folder.resolve("metrics.jsonl"),
                                        objective.stage(),
                                        checkpoints.lastStep())) {
                            // asked before the first step too
                            new TrainingLoop(
                                            data,
                                            Optional.of(data),
                                            all,
                                            5,
                                            metrics,
                                            () -> asked.getAndIncrement() == stopAfter)
                                    .run(objective, model.manager(), checkpoints);
                        }
                    });
            return true;
        } catch (StoppedException e) {
            return false;
        }
    }

    /** Compares metrics and the last checkpoint: parameters, moments, best ones, all facts. */
    private void assertSameBytes(String expected, String found) throws IOException {
        assertEquals(
                Files.readString(dir.resolve(expected + "/metrics.jsonl")),
                Files.readString(dir.resolve(found + "/metrics.jsonl")));
        Path last = last(expected);
        Path other = last(found);
        assertEquals(last.getFileName(), other.getFileName());
        for (String file : List.of("state.safetensors", "manifest.json")) {
            assertArrayEquals(
                    Files.readAllBytes(last.resolve(file)),
                    Files.readAllBytes(other.resolve(file)),
                    file);
        }
    }

    private Path last(String name) throws IOException {
        Path states = dir.resolve(name).resolve("states");
        return states.resolve("step-" + new StageCheckpoints(states, Map.of()).lastStep());
    }

    static List<Arguments> stagesAndSettings() {
        List<Arguments> all = new ArrayList<>();
        for (Stage stage : Stage.values()) {
            all.add(Arguments.of(stage, "batch_size: 2, save_every: 0, log_every: 7"));
            all.add(Arguments.of(stage, EVERYTHING));
        }
        return all;
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("stagesAndSettings")
    void fortyStepsAreTwentyAndTwenty(Stage stage, String settings) throws IOException {
        assertTrue(train(stage, 40, settings, "whole", NEVER));

        boolean ended = train(stage, 40, settings, "parts", 20);
        boolean endedLater = train(stage, 40, settings, "parts", NEVER);

        assertEquals(List.of(false, true), List.of(ended, endedLater));
        assertSameBytes("whole", "parts");
    }

    @ParameterizedTest
    @EnumSource(Stage.class)
    void aRunMayStopAtAnyStep(Stage stage) throws IOException {
        int steps = 5;
        String settings =
                "batch_size: 1, gradient_accumulation_steps: 2, log_every: 2, save_every: 4,"
                        + " validate_every: 3, keep_best: true";
        train(stage, steps, settings, "whole", NEVER);

        for (int stop = 1; stop < steps; stop++) {
            String name = "stopped-" + stop;
            train(stage, steps, settings, name, stop);
            assertEquals("step-" + stop, last(name).getFileName().toString());
            train(stage, steps, settings, name, NEVER);
            assertSameBytes("whole", name);
        }
        int parts = 0;
        while (!train(stage, steps, settings, "one at a time", 1)) {
            parts++;
        }
        assertEquals(steps - 1, parts);
        assertSameBytes("whole", "one at a time");
    }

    @Test
    void anEarlyStopIsTheSameAfterAResume() throws IOException {
        String settings =
                "batch_size: 2, learning_rate: 1.0, save_every: 0, validate_every: 1,"
                        + " early_stop_patience: 2, keep_best: true, log_every: 1";
        train(Stage.ATTENTION_TRANSFER, 40, settings, "whole", NEVER);
        String end = last("whole").getFileName().toString();
        assertTrue(!end.equals("step-40"), "at such a rate nothing is learnt");

        train(Stage.ATTENTION_TRANSFER, 40, settings, "parts", 2);
        train(Stage.ATTENTION_TRANSFER, 40, settings, "parts", NEVER);

        assertSameBytes("whole", "parts");
    }

    @Test
    void linesAfterTheLastCheckpointAreCutAndWrittenAgain() throws IOException {
        String settings = "batch_size: 1, log_every: 1, save_every: 5, validate_every: 2";
        train(Stage.PRETRAIN, 9, settings, "whole", NEVER);
        Path metrics = Files.createDirectories(dir.resolve("parts")).resolve("metrics.jsonl");

        // As if it had been killed after step 8, in the middle of a line.
        train(Stage.PRETRAIN, 9, settings, "parts", 5);
        String whole = Files.readString(dir.resolve("whole/metrics.jsonl"));
        Files.writeString(metrics, whole.substring(0, whole.indexOf("\"step\":9") + 4));
        train(Stage.PRETRAIN, 9, settings, "parts", NEVER);

        assertSameBytes("whole", "parts");
    }

    @Test
    void aRunThatWasKilledBeforeItsFirstCheckpointBeginsAnew() throws IOException {
        String settings = "batch_size: 1, log_every: 1, save_every: 5, validate_every: 2";
        train(Stage.PRETRAIN, 6, settings, "whole", NEVER);
        Path metrics = Files.createDirectories(dir.resolve("parts")).resolve("metrics.jsonl");
        String whole = Files.readString(dir.resolve("whole/metrics.jsonl"));
        Files.writeString(metrics, whole.substring(0, whole.indexOf("\"step\":3") - 22));

        train(Stage.PRETRAIN, 6, settings, "parts", NEVER);

        assertSameBytes("whole", "parts");
    }

    @Test
    void aStopBeforeTheFirstStepSavesNothingAndSaysSo() {
        StoppedException e =
                assertThrows(
                        StoppedException.class,
                        () -> {
                            try (ScriptedObjective objective = ScriptedObjective.flat()) {
                                new TrainingLoop(
                                                data,
                                                Optional.empty(),
                                                Tiny.transfer("{tokens: 96, batch_size: 1}"),
                                                5,
                                                new dev.tegu.distill.metrics.TrainingListener() {},
                                                () -> true)
                                        .run(
                                                objective,
                                                objective.manager,
                                                new StageCheckpoints(dir.resolve("a"), Map.of()));
                            }
                        });

        assertEquals("stopped after step 0 of 4 of scripted; go on with --resume", e.getMessage());
        assertTrue(Files.notExists(dir.resolve("a")));
    }
}
