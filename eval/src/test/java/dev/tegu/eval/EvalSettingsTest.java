package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.InvalidValueException;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class EvalSettingsTest {
    @Test
    void unknownTaskIsRefusedWithTheListAndTheNearest() {
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> EvalTasks.named("needel"));

        assertEquals(
                "unknown task `needel` (did you mean `needle`?); the tasks are "
                        + String.join(", ", EvalTasks.names())
                        + ", and files ending in .yaml",
                error.getMessage());
    }

    @Test
    void nameLikeNoTaskGetsNoHint() {
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> EvalTasks.named("gsm8k"));

        assertFalse(error.getMessage().contains("did you mean"), error.getMessage());
    }

    @Test
    void everyTaskIsListedOnceWithADescription() {
        assertEquals(EvalTasks.names(), EvalTasks.all().stream().map(EvalTask::name).toList());
        assertEquals(EvalTasks.names().size(), Set.copyOf(EvalTasks.names()).size());
        assertTrue(EvalTasks.all().stream().noneMatch(task -> task.description().isBlank()));
    }

    static Stream<Arguments> wrong() {
        return Stream.of(
                wrong("tasks", () -> Settings.of()),
                wrong("tasks", () -> Settings.of("recal")),
                wrong("tasks", () -> Settings.of("recall", "recall")),
                wrong("limit", () -> Settings.limited(Settings.of("recall"), 0)),
                wrong("batch_size", () -> Settings.batched(Settings.of("recall"), 0)),
                wrong("context", () -> new PerplexitySettings(1, 10)),
                wrong("max_tokens", () -> new PerplexitySettings(2, 0)),
                wrong("characters", () -> new NeedleSettings(99, 1, List.of())),
                wrong("samples", () -> new NeedleSettings(100, 0, List.of())),
                wrong("records", () -> new RecallSettings(0, 1, 1, List.of())),
                wrong("questions", () -> new RecallSettings(4, 5, 1, List.of())),
                wrong("samples", () -> new RecallSettings(4, 4, 0, List.of())));
    }

    private static Arguments wrong(String key, Executable executable) {
        return Arguments.of(key, executable);
    }

    @ParameterizedTest(name = "{index}: {0}")
    @MethodSource("wrong")
    void valueOutOfRangeIsRefusedWithItsKey(String key, Executable executable) {
        InvalidValueException error = assertThrows(InvalidValueException.class, executable);

        assertEquals(key, error.key());
    }
}
