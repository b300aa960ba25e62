package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A student of two layers beside its teacher, by the command and at the end of a run. */
final class AnalyzeCommandTest {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir private static Path shared;
    private static Path student;

    @TempDir private Path dir;

    @BeforeAll
    static void makeAStudent() throws IOException {
        TinyTeacher.writeInto(shared);
        student = shared.resolve("student");
        Invocation convert =
                Invocation.of(
                        "convert",
                        "--teacher=" + shared.resolve("teacher"),
                        "--method=lolcats",
                        "--set=window.size=8",
                        "--output=" + student);
        assertEquals(0, convert.exitCode(), convert.err());
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 120; i++) {
            text.append("The cat number ").append(i).append(" sat on the mat. ");
        }
        Files.writeString(shared.resolve("numbers.txt"), text);
    }

    /** Options later in the line win, so that a test may change one. */
    private Invocation analyze(Path output, String... more) {
        List<String> arguments = new ArrayList<>(List.of("analyze", student.toString()));
        arguments.add("--teacher=" + shared.resolve("teacher"));
        arguments.add("--data=" + shared.resolve("numbers.txt"));
        arguments.add("--output=" + output);
        arguments.add("--device=cpu");
        arguments.addAll(List.of(more));
        Stream.of("--limit=2", "--context=32", "--needles=2", "--characters=200")
                .filter(given -> Stream.of(more).noneMatch(m -> isSameOption(m, given)))
                .forEach(arguments::add);
        return Invocation.of(arguments.toArray(String[]::new));
    }

    private static boolean isSameOption(String one, String other) {
        return one.split("=")[0].equals(other.split("=")[0]);
    }

    private JsonNode json(String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(more));
        arguments.add("--json");
        Invocation run = analyze(dir.resolve("out"), arguments.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.err());
        return JSON.readTree(run.out());
    }

    @Test
    void theFileIsWhatIsPrintedAsJson() throws IOException {
        JsonNode printed = json();

        assertEquals(printed, JSON.readTree(dir.resolve("out/analysis.json").toFile()));
        assertEquals("tegu-analysis", printed.path("format").asText());
        assertEquals("teacher", printed.path("teacher").asText());
        assertEquals("student", printed.path("student").asText());
        assertEquals(2, printed.path("layers").size());
        assertEquals(4, printed.path("layers").path(1).path("heads").size());
        assertEquals(8, printed.path("worst_heads").size());
        assertEquals(8, printed.path("window").path("size").asInt());
        assertEquals(62, printed.path("agreement").path("mean").path("count").asInt());
        assertEquals("student", printed.at("/ablations/whole/1/variant").asText());
        assertTrue(printed.at("/ablations/by_layer/1/linear_only").isNumber());
        assertTrue(printed.at("/layers/0/heads/0/teacher_weight_beyond_window").isNumber());
        // a random model finds no needle: nothing to say of heads, and nothing made up
        assertEquals(2, printed.at("/retrieval/documents").asInt());
        assertEquals(0, printed.at("/retrieval/used").asInt());
        assertEquals(0, printed.at("/retrieval/heads").size());
        assertEquals(0, printed.at("/ablations/whole/0/needle_accuracy").asDouble(-1));
    }

    @Test
    void tablesArePrintedAndTheFileIsNamed() {
        Path output = dir.resolve("out");

        Invocation run = analyze(output);

        assertEquals(0, run.exitCode(), run.err());
        for (String title :
                List.of("model ", "position ", "beyond window ", "layer ", "worst heads ")) {
            assertTrue(run.out().lines().anyMatch(line -> line.startsWith(title)), title);
        }
        assertTrue(run.out().contains("retrieval heads: 0 of the teacher's"), run.out());
        assertTrue(run.err().endsWith("Written: " + output.resolve("analysis.json") + "\n"));
        assertTrue(run.err().contains("analysis text: sequence 2 of 2"), run.err());
    }

    @Test
    void everyOptionChangesWhatIsRead() throws IOException {
        JsonNode base = json();

        assertEquals(1, json("--limit=1").at("/settings/sequences").asInt());
        assertEquals(24, json("--context=24").at("/settings/context").asInt());
        assertTrue(json("--needles=0").path("retrieval").isNull());
        assertEquals(1, json("--needles=1").at("/retrieval/documents").asInt());
        assertEquals(300, json("--characters=300").at("/settings/needle_characters").asInt());
        assertEquals(9, json("--seed=9").at("/settings/seed").asInt());
        assertNotEquals(
                base.at("/agreement/mean/teacher_nll"),
                json("--dtype=bfloat16").at("/agreement/mean/teacher_nll"));
    }

    @Test
    void halfPrecisionModelsAreComparedToo() throws IOException {
        for (String type : List.of("bfloat16", "float16")) {
            JsonNode half = json("--dtype=" + type);
            JsonNode whole = json();

            for (String number :
                    List.of(
                            "/agreement/mean/student_nll",
                            "/layers/1/heads/2/cosine",
                            "/layers/0/heads/1/teacher_entropy",
                            "/ablations/by_layer/0/none")) {
                double expected = whole.at(number).asDouble();
                assertEquals(1, half.at(number).asDouble() / expected, 0.05, type + number);
            }
        }
    }

    @Test
    void modelsThatDoNotBelongTogetherAreRefused() {
        Invocation swapped =
                Invocation.of(
                        "analyze",
                        shared.resolve("teacher").toString(),
                        "--teacher=" + student,
                        "--data=" + shared.resolve("numbers.txt"),
                        "--output=" + dir.resolve("out"));

        assertEquals(4, swapped.exitCode(), swapped.err());
        assertEquals(1, swapped.err().lines().count(), swapped.err());
        assertTrue(
                swapped.err().startsWith("error: " + student + ": expected the softmax model"),
                swapped.err());
        assertFalse(Files.exists(dir.resolve("out")));
    }

    @Test
    void wrongNumbersAndTextsAreRefusedInOneLine() throws IOException {
        Path empty = Files.writeString(dir.resolve("empty.txt"), "");

        assertRefused(3, "context: expected 2 or more, found 1", "--context=1");
        assertRefused(3, "limit: expected 1 or more, found 0", "--limit=0");
        assertRefused(3, "needles: expected 0 or more, found -1", "--needles=-1");
        assertRefused(3, "characters: expected 100 or more, found 99", "--characters=99");
        assertRefused(3, "characters: the haystack of 120 sentences", "--characters=9000");
        Invocation noText = analyzed("--data=" + empty);
        assertEquals(3, noText.exitCode(), noText.err());
        assertTrue(noText.err().startsWith("error: data: expected a text"), noText.err());
        assertEquals(4, analyzed("--data=" + dir.resolve("none.txt")).exitCode());
        assertEquals(4, analyzed("--data=" + empty, "--teacher=" + dir).exitCode());
        assertEquals(2, Invocation.of("analyze", student.toString()).exitCode());
    }

    private Invocation analyzed(String... given) {
        List<String> arguments =
                new ArrayList<>(List.of("analyze", student.toString(), "--output=" + dir));
        arguments.addAll(List.of(given));
        if (Stream.of(given).noneMatch(one -> one.startsWith("--teacher"))) {
            arguments.add("--teacher=" + shared.resolve("teacher"));
        }
        return Invocation.of(arguments.toArray(String[]::new));
    }

    private void assertRefused(int exitCode, String message, String option) {
        Invocation run = analyze(dir.resolve("out"), option);

        assertEquals(exitCode, run.exitCode(), run.err());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().startsWith("error: " + message), run.err());
    }

    @Test
    void aRunLeavesTheAnalysisWhereItIsAskedFor() throws IOException {
        for (boolean asked : new boolean[] {true, false}) {
            Path output = dir.resolve("run-" + asked);
            Invocation run = Invocation.of("run", experiment(output, asked, true).toString());

            assertEquals(0, run.exitCode(), run.err());
            assertEquals(asked, Files.exists(output.resolve("eval/analysis.json")));
        }
        JsonNode written = JSON.readTree(dir.resolve("run-true/eval/analysis.json").toFile());
        JsonNode results = JSON.readTree(dir.resolve("run-true/eval/student.json").toFile());
        assertEquals(2, written.at("/settings/sequences").asInt());
        assertEquals(48, written.at("/settings/context").asInt());
        assertEquals(2, written.at("/retrieval/documents").asInt());
        // the same windows of the same text as the task's
        assertEquals(
                results.at("/results/perplexity/token_nll,none").asDouble(),
                written.at("/agreement/mean/student_nll").asDouble(),
                1e-5);
    }

    @Test
    void anAnalysisThatCannotBeIsFoundBeforeTheTraining() throws IOException {
        Invocation noText =
                Invocation.of("run", experiment(dir.resolve("a"), true, false).toString());
        Invocation tooLong =
                Invocation.of(
                        "run",
                        experiment(dir.resolve("b"), true, true).toString(),
                        "--set=eval.needle.characters=9000");
        Invocation alone =
                Invocation.of("eval", student.toString(), "--tasks=recall", "--set=analysis=true");

        assertEquals(3, noText.exitCode(), noText.err());
        assertTrue(noText.err().contains("eval.analysis: reads text files"), noText.err());
        assertEquals(3, tooLong.exitCode(), tooLong.err());
        assertFalse(Files.exists(dir.resolve("b/student")));
        assertEquals(2, alone.exitCode(), alone.err());
        assertTrue(alone.err().contains("scripts/tegu analyze"), alone.err());
    }

    private Path experiment(Path output, boolean analysis, boolean text) throws IOException {
        String yaml =
                """
                teacher: DIR/teacher
                method: lolcats
                output: OUT
                device: cpu
                DATA
                eval:
                  tasks: [TASK]
                  limit: 2
                  perplexity: {context: 48}
                  needle: {characters: 200}
                  analysis: ANALYSIS
                """;
        String data =
                "data: {evaluation: [DIR/numbers.txt], train: [DIR/text.txt], sequence_length: 32}";
        return Files.writeString(
                dir.resolve("a.yaml"),
                yaml.replace("DATA", text ? data : "")
                        .replace("DIR", shared.toString())
                        .replace("OUT", output.toString())
                        .replace("TASK", text ? "perplexity" : "recall")
                        .replace("ANALYSIS", String.valueOf(analysis)));
    }
}
