package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.eval.EvalTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tasks that are files, from the command line: those of the program, and a user's. */
final class TaskFilesTest {
    private static final Path DOCS = Path.of("..", "docs", "tasks.md");

    @TempDir private static Path shared;
    private static Path teacher;

    @TempDir private Path dir;

    @BeforeAll
    static void write() throws IOException {
        teacher = TinyTeacher.writeInto(shared);
    }

    private static Invocation eval(String... arguments) {
        List<String> all = new ArrayList<>(List.of("eval", teacher.toString()));
        all.addAll(List.of(arguments));
        return Invocation.of(all.toArray(String[]::new));
    }

    private static JsonNode json(Invocation run) throws IOException {
        assertEquals(0, run.exitCode(), run.err());
        return new JsonMapper().readTree(run.out());
    }

    /** The block of code that follows a text in the page. */
    private static String block(String after) throws IOException {
        String page = Files.readString(DOCS);
        Matcher matcher =
                Pattern.compile("```\\w+\n(.*?)```", Pattern.DOTALL)
                        .matcher(page.substring(page.indexOf(after)));
        assertTrue(matcher.find(), after);
        return matcher.group(1);
    }

    /** The task of the page, as it stands there. */
    private Path userTask() throws IOException {
        Files.writeString(dir.resolve("capitals.jsonl"), block("beside it `capitals.jsonl`"));
        return Files.writeString(dir.resolve("capitals.yaml"), block("`capitals.yaml`:"));
    }

    @Test
    void theTaskOfThePageWorksWithoutMore() throws IOException {
        Path task = userTask();

        JsonNode json = json(eval("--tasks=" + task, "--num-fewshot=1", "--json"));

        assertEquals(3, json.at("/n-samples/capitals/effective").asInt());
        assertEquals(1, json.at("/configs/capitals/num_fewshot").asInt());
        assertTrue(json.at("/results/capitals/acc,none").isNumber(), json.toPrettyString());
        assertTrue(json.at("/results/capitals/acc_norm_stderr,none").isNumber());
    }

    @Test
    void aPathMayHoldWhatYamlGivesAMeaningTo() throws IOException {
        Path odd = Files.createDirectories(dir.resolve("it's: a #folder"));
        Path task = userTask();
        Files.move(dir.resolve("capitals.jsonl"), odd.resolve("capitals.jsonl"));

        Invocation run = eval("--tasks=" + Files.move(task, odd.resolve("c.yaml")));

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().contains("capitals"), run.out());
    }

    @Test
    void aTaskFileWithFaultsIsRefusedWithItsLines() throws IOException {
        Path task = userTask();
        Files.writeString(
                task,
                Files.readString(task)
                        .replace("test_split: test", "test_split: tset")
                        .replace("doc_to_text", "doc_to_txt"));

        Invocation run = eval("--tasks=" + task);

        assertEquals(3, run.exitCode());
        assertTrue(
                run.err()
                        .contains(
                                "capitals.yaml:6:1: doc_to_txt: unknown key (did you mean"
                                        + " `doc_to_text`?)"),
                run.err());
    }

    @Test
    void aTaskOfTheHarnessWithPythonIsRefused() throws IOException {
        Path task = userTask();
        Files.writeString(
                task,
                Files.readString(task).replace("\"{{cities}}\"", "!function utils.doc_to_choice"));

        Invocation run = eval("--tasks=" + task);

        assertEquals(3, run.exitCode(), run.err());
        assertTrue(run.err().contains("capitals.yaml:7"), run.err());
    }

    @Test
    void aFileThatIsNotThereIsToldByName() {
        Invocation run = eval("--tasks=" + dir.resolve("none.yaml"));

        assertEquals(3, run.exitCode(), run.err());
        assertTrue(run.err().contains("none.yaml"), run.err());
    }

    @Test
    void tasksOfTheProgramNeedTheirFolder() {
        Invocation run = eval("--tasks=arc_easy");

        assertEquals(4, run.exitCode(), run.err());
        assertEquals(
                "error: task `arc_easy` needs data: name their folder with --data (in an"
                        + " experiment `eval.data`); they are published as allenai/ai2_arc"
                        + " ARC-Easy\n",
                run.err());
    }

    private Path quiz() throws IOException {
        Path folder = dir.resolve("data/quiz");
        Files.createDirectories(folder.resolve("dev"));
        Files.createDirectories(folder.resolve("test"));
        Files.writeString(folder.resolve("dev/maps_dev.csv"), "Q?,a,b,c,d,A\n".repeat(5));
        Files.writeString(folder.resolve("test/maps_test.csv"), "Q?,a,b,c,d,A\nWhat?,e,f,g,h,C\n");
        return folder.getParent();
    }

    @Test
    void everySettingOfQuestionsReachesTheResult() throws IOException {
        JsonNode json =
                json(
                        eval(
                                "--tasks=quiz,capitals.yaml"
                                        .replace("capitals.yaml", userTask().toString()),
                                "--data=" + quiz(),
                                "--num-fewshot=0",
                                "--limit=1",
                                "--set=add_bos=false",
                                "--set=overlong=refuse",
                                "--json"));

        JsonNode config = json.at("/configs/quiz_maps");
        assertEquals(0, config.path("num_fewshot").asInt());
        assertEquals("false", config.path("add_bos").asText());
        assertEquals("refuse", config.path("overlong").asText());
        assertEquals(1, json.at("/n-samples/quiz_maps/effective").asInt());
        assertEquals(1, json.at("/n-samples/capitals/effective").asInt());
    }

    @Test
    void optionsCanBeTurnedAndLettersWritten() throws IOException {
        JsonNode json =
                json(
                        eval(
                                "--tasks=quiz",
                                "--data=" + quiz(),
                                "--num-fewshot=1",
                                "--set=permutations=4",
                                "--set=scoring=generate",
                                "--json"));

        JsonNode results = json.at("/results/quiz");
        for (String metric :
                List.of("exact_match", "exact_match_rotation_3", "consistency", "position_bias")) {
            assertTrue(results.path(metric + ",none").isNumber(), metric + ": " + results);
        }
    }

    @Test
    void anExperimentNamesItsFolder() throws IOException {
        Path experiment =
                Files.writeString(
                        dir.resolve("experiment.yaml"),
                        """
                        teacher: %s
                        method: lolcats
                        output: %s
                        device: cpu
                        eval: {tasks: [quiz_maps], data: %s, num_fewshot: 1}
                        """
                                .formatted(teacher, dir.resolve("out"), quiz()));

        Invocation run = Invocation.of("run", experiment.toString());

        assertEquals(0, run.exitCode(), run.err());
        String table = Files.readString(dir.resolve("out/eval/results.md"));
        assertTrue(table.contains("| quiz_maps | acc ↑"), table);
    }

    @Test
    void theListHasEveryTaskOfThePage() throws IOException {
        String page = Files.readString(DOCS);

        for (String task : EvalTasks.names()) {
            assertTrue(page.contains("`" + task + "`"), task);
        }
        String list = Invocation.of("list", "tasks").out();
        assertTrue(list.contains("multiple choice, 5 shots, 57 subjects: acc; cais/mmlu"), list);
    }

    @Test
    void anUnknownTaskIsToldWithTheNearest() {
        Invocation run = eval("--tasks=arc_esy");

        assertEquals(2, run.exitCode());
        assertTrue(
                run.err().startsWith("error: unknown task `arc_esy` (did you mean `arc_easy`?)"),
                run.err());
    }
}
