package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

final class UsageTest {

    @Test
    void withoutACommandThereIsAHint() {
        Invocation run = Invocation.of();

        assertEquals(2, run.exitCode());
        assertEquals("", run.out());
        assertEquals(
                """
                error: expected a command
                Try `scripts/tegu --help`.
                """,
                run.err());
    }

    @Test
    void anUnknownCommandIsNamedWithTheNearest() {
        Invocation run = Invocation.of("validat");

        assertEquals(2, run.exitCode());
        List<String> lines = run.err().lines().toList();
        assertEquals("error: Unmatched argument at index 0: 'validat'", lines.get(0));
        assertTrue(lines.get(1).startsWith("Did you mean: scripts/tegu validate"), run.err());
        assertEquals("Try `scripts/tegu --help`.", lines.get(2));
    }

    @Test
    void aMissingArgumentIsAUsageError() {
        Invocation run = Invocation.of("validate");

        assertEquals(2, run.exitCode());
        assertTrue(run.err().startsWith("error: Missing required argument"), run.err());
        assertTrue(run.err().endsWith("Try `scripts/tegu validate --help`.\n"), run.err());
    }
}
