package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An evaluation that is killed again and again ends with the numbers of one that never was. */
final class KilledEvalTest {
    private static final String TASKS = "perplexity,recall,wikitext";
    private static final int KILLS = 3;

    /** A header. */
    private static final long NOTHING = 40;

    @TempDir private Path dir;
    private int starts;

    private String[] eval(Path output, String... more) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "eval",
                                dir.resolve("teacher").toString(),
                                "--tasks=" + TASKS,
                                "--data=" + dir.resolve("text.txt"),
                                "--output=" + output,
                                "--device=cpu",
                                "--set=batch_size=1",
                                "--set=perplexity.context=16",
                                "--set=recall.samples=300"));
        arguments.addAll(List.of(more));
        return arguments.toArray(new String[0]);
    }

    private TeguProcess start(Path output) throws IOException {
        starts++;
        return TeguProcess.start(dir.resolve(starts + ".err"), eval(output, "--resume"));
    }

    private static long size(Path file) throws IOException {
        return Files.exists(file) ? Files.size(file) : 0;
    }

    private static ObjectNode results(Path output) throws IOException {
        ObjectNode json =
                (ObjectNode) new JsonMapper().readTree(output.resolve("results.json").toFile());
        json.remove("timings");
        return json;
    }

    private static String samples(Path output, String task) throws IOException {
        try (Stream<Path> files = Files.list(output.resolve("teacher"))) {
            List<Path> found =
                    files.filter(f -> f.getFileName().toString().startsWith("samples_" + task))
                            .toList();
            assertEquals(1, found.size(), found.toString());
            return Files.readString(found.get(0));
        }
    }

    @Test
    void resultsAreThoseOfAnUninterruptedOne() throws Exception {
        TinyTeacher.writeInto(dir);
        Path whole = dir.resolve("whole");
        Path killed = dir.resolve("killed");
        Path answers = killed.resolve("teacher/answers.bin");
        try (TeguProcess run = start(whole)) {
            assertEquals(0, run.exitCode(), run.err());
        }
        long all = size(whole.resolve("teacher/answers.bin"));

        long before = 0;
        for (int i = 1; i <= KILLS; i++) {
            try (TeguProcess run = start(killed)) {
                long enough = Math.max(NOTHING, before) + all / 5;
                while (run.isAlive() && size(answers) < enough) {
                    LockSupport.parkNanos(200_000);
                }
                assertTrue(run.isAlive(), "ended before the kill: " + run.err());
                run.kill();
            }
            assertTrue(size(answers) > before, "kept nothing more");
            before = size(answers);
            assertFalse(Files.exists(killed.resolve("results.json")));
        }
        try (TeguProcess run = start(killed)) {
            assertEquals(0, run.exitCode(), run.err());
        }

        assertEquals(results(whole), results(killed));
        assertEquals(samples(whole, "perplexity"), samples(killed, "perplexity"));
        assertEquals(samples(whole, "wikitext"), samples(killed, "wikitext"));
        ObjectNode json =
                (ObjectNode) new JsonMapper().readTree(killed.resolve("results.json").toFile());
        int known = json.at("/timings/perplexity/sequences_known").asInt();
        assertEquals(json.at("/timings/perplexity/sequences").asInt(), known, "asked again");
        assertEquals(all, size(answers), "the same answers, none twice");
    }

    @Test
    void answersOfAnotherTypeOfNumberAreNotUsed() throws IOException {
        TinyTeacher.writeInto(dir);
        Path output = dir.resolve("out");

        Invocation first = Invocation.of(eval(output, "--limit=3"));
        Invocation other = Invocation.of(eval(output, "--limit=3", "--dtype=bfloat16", "--resume"));
        Invocation again = Invocation.of(eval(output, "--limit=3", "--dtype=bfloat16", "--resume"));

        assertEquals(0, first.exitCode(), first.err());
        assertEquals(0, other.exitCode(), other.err());
        assertTrue(other.err().contains("answers of another model"), other.err());
        assertFalse(again.err().contains("answers of another model"), again.err());
        assertEquals(2, Invocation.of("eval", "x", "--tasks=recall", "--resume").exitCode());
    }

    @Test
    void aPageIsMadeOfWhatAnEvaluationLeaves() throws IOException {
        TinyTeacher.writeInto(dir);
        Path output = dir.resolve("out");

        Invocation eval = Invocation.of(eval(output, "--limit=3"));
        Invocation report = Invocation.of("report", output.toString());

        assertEquals(0, eval.exitCode(), eval.err());
        assertEquals(0, report.exitCode(), report.err());
        String page = Files.readString(output.resolve("report.html"));
        assertTrue(page.contains("data-label=\"attention\">softmax<"), page);
        assertFalse(page.contains("so no significance"), "its samples were not found");
    }
}
