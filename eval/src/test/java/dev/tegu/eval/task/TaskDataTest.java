package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.tegu.records.DataException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TaskDataTest {
    @TempDir private Path folder;

    private TaskData read(String task, List<String> subjects) {
        TaskSpec spec = TaskLibrary.spec(task);
        return TaskData.read(spec, new TaskFiles(spec, subjects, List.of(folder)), false);
    }

    private String refusal(String task, List<String> subjects) {
        return assertThrows(DataException.class, () -> read(task, subjects)).getMessage();
    }

    @Test
    void columnsThatFitNothingAreNamed() {
        Path file = Asking.write(folder, "arc_easy.jsonl", "{\"q\": 1, \"a\": 2}\n");

        assertEquals(
                file
                        + ": its columns fit no form that the task `arc_easy` knows: found q, a;"
                        + " expected question, choices, answerKey, or question, answerKey, or"
                        + " query, choices, gold",
                refusal("arc_easy", List.of()));
    }

    @Test
    void aMissingFileIsToldWithItsNames() {
        assertEquals(
                "task `lambada_openai`: no file of the split `test` below "
                        + folder
                        + "; looked for lambada_test_en.jsonl, lambada_test.jsonl,"
                        + " default/test-*.parquet; they are published as"
                        + " EleutherAI/lambada_openai",
                refusal("lambada_openai", List.of()));
    }

    @Test
    void noFolderAtAllIsToldToo() {
        TaskSpec spec = TaskLibrary.spec("quiz");

        assertEquals(
                "task `quiz` needs data: name their folder with --data (in an experiment"
                        + " `eval.data`)",
                assertThrows(
                                DataException.class,
                                () -> new TaskFiles(spec, List.of(), List.of()).find("test"))
                        .getMessage());
    }

    @Test
    void aMissingSubjectIsToldByName() {
        Asking.write(folder, "test/anatomy_test.csv", "Q?,w,x,y,z,B\n");

        assertEquals(
                "task `mmlu`: no file of the split `test` for 1 of 2 subjects, the first is"
                        + " `virology`; they are published as cais/mmlu",
                refusal("mmlu", List.of("anatomy", "virology")));
    }

    @Test
    void twoCopiesAreNotMeasuredAsOne() {
        Asking.write(folder, "a/arc_easy.jsonl", "{}\n");
        Asking.write(folder, "b/arc_easy.jsonl", "{}\n");

        assertEquals(
                "task `arc_easy`: `arc_easy.jsonl` is there in several folders: "
                        + folder.resolve("a")
                        + ", "
                        + folder.resolve("b")
                        + "; name one of them",
                refusal("arc_easy", List.of()));
    }

    @Test
    void subjectsAreThoseThatAreThereInTheOrderOfTheirNames() {
        Asking.write(folder, "test/b_test.csv", "Q?,w,x,y,z,B\nR?,w,x,y,z,C\n");
        Asking.write(folder, "test/a_test.csv", "S?,w,x,y,z,B\n");
        Asking.write(folder, "test/notes_test.txt", "");

        List<TaskData.Member> members = read("quiz", List.of()).members();

        assertEquals(
                List.of("a", "b"),
                members.stream().map(member -> member.subject().orElseThrow()).toList());
        assertEquals(2, members.get(1).docs().size());
        assertEquals("R?", members.get(1).docs().get(1).fields().get("question"));
    }

    @Test
    void aRecordThatTheTemplatesDoNotFitIsNamed() {
        Path file =
                Asking.write(
                        folder,
                        "arc_easy.jsonl",
                        """
                        {"query": "q", "choices": ["a", "b"], "gold": 1}
                        {"query": "q", "choices": ["a", "b"], "gold": 2}
                        """);

        assertEquals(
                file + ":2: the right answer is `2`, which is none of the 2 choices",
                assertThrows(
                                DataException.class,
                                () -> Asking.ask("arc_easy", folder, QuestionSettings.DEFAULTS))
                        .getMessage());
    }

    private static List<Map<String, Object>> csv(String text, List<String> header) {
        List<Map<String, Object>> rows = new ArrayList<>();
        CsvRecords.each("f.csv", text, header, (row, place) -> rows.add(row));
        return rows;
    }

    @Test
    void csvWithAndWithoutALineOfNames() {
        assertEquals(
                List.of(Map.of("a", "1", "b", "x, \"y\"\r\nz"), Map.of("a", "", "b", "2")),
                csv("a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n,2", List.of()));
        assertEquals(List.of(Map.of("a", "a", "b", "b")), csv("a,b\n\n", List.of("a", "b")));
    }

    @Test
    void csvFaultsAreToldWithTheirLine() {
        assertEquals(
                "f.csv:3: expected the 2 fields a, b, found 3; a text with commas needs quotes",
                assertThrows(
                                DataException.class,
                                () ->
                                        csv(
                                                "a,b\n\"x\n\",2,3\n".replace("\"x", "1,2\n\"x"),
                                                List.of()))
                        .getMessage());
        assertEquals(
                "f.csv:2: a quote has no end",
                assertThrows(DataException.class, () -> csv("a,b\n1,\"x\n\n", List.of()))
                        .getMessage());
    }
}
