package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.jerolba.carpet.CarpetWriter;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.Sample.Request;
import dev.tegu.eval.task.QuestionSettings.Scoring;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The prompts of lm-evaluation-harness's tasks, character by character, on made-up records. */
class TaskPromptTest {
    private static final QuestionSettings PLAIN = QuestionSettings.DEFAULTS;

    @TempDir private Path folder;

    private TaskQuestion only(String task, QuestionSettings how) {
        List<TaskQuestion> questions = Asking.ask(task, folder, how);
        assertEquals(1, questions.size());
        return questions.get(0);
    }

    private static void asks(
            TaskQuestion question, String context, List<String> continuations, int gold) {
        assertEquals(
                continuations.stream().map(text -> new Request(context, text)).toList(),
                question.requests());
        assertEquals(gold, question.gold());
    }

    @Test
    void mmluOfFiveShots() {
        StringBuilder dev = new StringBuilder();
        for (int i = 1; i <= 6; i++) {
            dev.append("Dev ").append(i).append("?,a,b,c,d,").append("ABCD".charAt(i % 4));
            dev.append('\n');
        }
        Asking.write(folder, "dev/anatomy_dev.csv", dev.toString());
        Asking.write(
                folder,
                "test/anatomy_test.csv",
                "\" Which, \"\"if any\"\"? \",one,\"two, or\nso\",three,four,C\n");

        asks(
                only("mmlu", PLAIN),
                """
                The following are multiple choice questions (with answers) about anatomy.

                Dev 1?
                A. a
                B. b
                C. c
                D. d
                Answer: B

                Dev 2?
                A. a
                B. b
                C. c
                D. d
                Answer: C

                Dev 3?
                A. a
                B. b
                C. c
                D. d
                Answer: D

                Dev 4?
                A. a
                B. b
                C. c
                D. d
                Answer: A

                Dev 5?
                A. a
                B. b
                C. c
                D. d
                Answer: B

                Which, "if any"?
                A. one
                B. two, or
                so
                C. three
                D. four
                Answer:""",
                List.of(" A", " B", " C", " D"),
                2);
    }

    record Mmlu(String question, String subject, List<String> choices, long answer) {}

    private <T> void parquet(String name, Class<T> type, List<T> rows) throws IOException {
        Path file =
                Files.createDirectories(folder.resolve(name).getParent())
                        .resolve(folder.resolve(name).getFileName());
        try (OutputStream out = Files.newOutputStream(file);
                CarpetWriter<T> writer = new CarpetWriter<>(out, type)) {
            writer.write(rows);
        }
    }

    @Test
    void mmluOfTheHub() throws IOException {
        parquet(
                "mmlu/anatomy/test-00000-of-00001.parquet",
                Mmlu.class,
                List.of(new Mmlu("Q? ", "anatomy", List.of("w", "x", "y", "z"), 3)));

        asks(
                only("mmlu", Asking.shots(0)),
                "The following are multiple choice questions (with answers) about anatomy.\n\n"
                        + "Q?\nA. w\nB. x\nC. y\nD. z\nAnswer:",
                List.of(" A", " B", " C", " D"),
                3);
    }

    @Test
    void underscoresOfASubjectAreSpaces() {
        Asking.write(folder, "quiz/test/old_maps_test.csv", "Q?,w,x,y,z,A\n");
        Asking.write(folder, "quiz/dev/old_maps_dev.csv", "D?,w,x,y,z,A\n");

        assertTrue(
                only("quiz", Asking.shots(0))
                        .requests()
                        .get(0)
                        .context()
                        .startsWith(
                                "The following are multiple choice questions (with answers) about"
                                        + " old maps.\n\nQ?\nA. w"));
    }

    @Test
    void arcInItsThreeForms() {
        String context = "Question: Why {{x}}?\nAnswer:";
        List<String> answers = List.of(" ice", " a \"hot\" day", " fog");
        Asking.write(
                folder,
                "ARC-Easy-Test.jsonl",
                """
                {"id": "x", "question": {"stem": "Why {{x}}?", "choices": [{"text": "ice", "label": "1"}, {"text": "a \\"hot\\" day", "label": "2"}, {"text": "fog", "label": "3"}]}, "answerKey": "2"}
                """);
        Asking.write(
                folder,
                "hub/ARC-Challenge-Test.jsonl",
                """
                {"id": "x", "question": "Why {{x}}?", "choices": {"text": ["ice", "a \\"hot\\" day", "fog"], "label": ["A", "B", "C"]}, "answerKey": "B"}
                """);

        asks(only("arc_easy", PLAIN), context, answers, 1);
        asks(only("arc_challenge", PLAIN), context, answers, 1);
        Asking.write(
                folder,
                "arc_easy.jsonl",
                """
                {"query": "Question: Why {{x}}?", "choices": ["ice", "a \\"hot\\" day", "fog"], "gold": 1}
                """);
        folder.resolve("ARC-Easy-Test.jsonl").toFile().delete();
        asks(only("arc_easy", PLAIN), context, answers, 1);
    }

    record Piqa(String goal, String sol1, String sol2, int label) {}

    @Test
    void piqaInItsTwoForms() throws IOException {
        parquet(
                "plain_text/validation-00000-of-00001.parquet",
                Piqa.class,
                List.of(new Piqa("open a jar", "Turn, then pull.", "Sing.", 0)));
        Asking.write(
                folder,
                "other/piqa.jsonl",
                "{\"query\": \"Question: open a jar\", \"choices\": [\"Turn, then pull.\","
                        + " \"Sing.\"], \"gold\": 0}\n");
        String context = "Question: open a jar\nAnswer:";

        asks(only("piqa", PLAIN), context, List.of(" Turn, then pull.", " Sing."), 0);
        folder.resolve("plain_text/validation-00000-of-00001.parquet").toFile().delete();
        asks(only("piqa", PLAIN), context, List.of(" Turn, then pull.", " Sing."), 0);
    }

    @Test
    void hellaswag() {
        Asking.write(
                folder,
                "hellaswag_val.jsonl",
                """
                {"ind": 1, "activity_label": "Roof shingle removal", "ctx_a": "A man is sitting on a roof.", "ctx_b": "he IS [header] Now", "ctx": "unused", "endings": ["is [title] using wrap.", "[substeps] rips  tiles.", "x", "y"], "label": 3}
                """);

        asks(
                only("hellaswag", PLAIN),
                "Roof shingle removal: A man is sitting on a roof. He is now",
                List.of(" is. using wrap.", "  rips tiles.", " x", " y"),
                3);
    }

    @Test
    void winograndeScoresWhatFollowsTheGap() {
        Asking.write(
                folder,
                "winogrande_1.1/dev.jsonl",
                """
                {"qID": "1", "sentence": "The cup did not fit the box because the _ was too large. ", "option1": "cup", "option2": "box", "answer": "1"}
                """);
        List<Request> expected =
                List.of(
                        new Request(
                                "The cup did not fit the box because the cup", " was too large."),
                        new Request(
                                "The cup did not fit the box because the box", " was too large."));

        TaskQuestion question = only("winogrande", PLAIN);

        assertEquals(expected, question.requests());
        assertEquals(0, question.gold());
        Asking.write(
                folder,
                "winogrande.jsonl",
                """
                {"context_options": ["The cup did not fit the box because the cup", "The cup did not fit the box because the box"], "continuation": "was too large.", "gold": 0}
                """);
        folder.resolve("winogrande_1.1/dev.jsonl").toFile().delete();
        assertEquals(expected, only("winogrande", PLAIN).requests());
    }

    @Test
    void boolqInItsTwoForms() {
        Asking.write(
                folder,
                "boolq/dev.jsonl",
                "{\"question\": \"is it so\", \"title\": \"t\", \"answer\": true, \"passage\":"
                        + " \"It is.\"}\n");
        String context = "It is.\nQuestion: is it so?\nAnswer:";

        asks(only("boolq", PLAIN), context, List.of(" no", " yes"), 1);
        Asking.write(
                folder,
                "BoolQ/val.jsonl",
                "{\"question\": \"is it so\", \"passage\": \"It is.\", \"idx\": 0, \"label\":"
                        + " false}\n");
        asks(only("boolq", PLAIN), context, List.of(" no", " yes"), 0);
    }

    @Test
    void openbookqa() {
        Asking.write(
                folder,
                "Main/test.jsonl",
                """
                {"id": "8", "question": {"stem": "Stars are", "choices": [{"text": "hot", "label": "A"}, {"text": "wet", "label": "B"}]}, "answerKey": "A"}
                """);

        asks(only("openbookqa", PLAIN), "Stars are", List.of(" hot", " wet"), 0);
    }

    @Test
    void lambadaSplitsAtTheLastSpace() {
        Asking.write(
                folder,
                "lambada_test_en.jsonl",
                "{\"text\": \"He said  it.\\nThen \\\"no\\\", said\\nthe end\"}\n");

        TaskQuestion question = only("lambada_openai", PLAIN);

        assertEquals(
                List.of(new Request("He said  it.\nThen \"no\", said\nthe", " end")),
                question.requests());
    }

    @Test
    void shotsOfWinograndeAreWholeSentences() {
        Asking.write(
                folder,
                "train_xl.jsonl",
                "{\"sentence\": \"A _ b.\", \"option1\": \"x\", \"option2\": \"y\", \"answer\":"
                        + " \"2\"}\n");
        Asking.write(
                folder,
                "winogrande.jsonl",
                "{\"context_options\": [\"C x\", \"C y\"], \"continuation\": \"d.\", \"gold\":"
                        + " 0}\n");

        assertEquals(
                List.of("A y b.\n\nC x", "A y b.\n\nC y"),
                only("winogrande", Asking.shots(1)).requests().stream()
                        .map(Request::context)
                        .toList());
    }

    @Test
    void shotsOfTheSplitThatIsMeasuredLeaveTheQuestionOut() {
        Asking.write(
                folder,
                "lambada_test.jsonl",
                "{\"text\": \"one two\"}\n{\"text\": \"three four\"}\n");

        List<TaskQuestion> questions = Asking.ask("lambada_openai", folder, Asking.shots(1));

        assertEquals("three  four\n\none", questions.get(0).requests().get(0).context());
        assertEquals("one  two\n\nthree", questions.get(1).requests().get(0).context());
        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () -> Asking.ask("lambada_openai", folder, Asking.shots(2)));
        assertEquals("num_fewshot", error.key());
        assertEquals(
                "task `lambada_openai` has 1 solved examples beside each question, asked for 2",
                error.getMessage());
    }

    @Test
    void rotationsTurnTheOptionsAndTheRightOne() {
        Asking.write(folder, "test/maps_test.csv", "Q?,w,x,y,z,B\n");
        Asking.write(folder, "dev/maps_dev.csv", "D?,w,x,y,z,A\n");
        QuestionSettings how = Asking.rotated(Scoring.LIKELIHOOD, 4);
        QuestionSettings shotless =
                new QuestionSettings(
                        how.data(),
                        Optional.of(1),
                        how.addBos(),
                        how.scoring(),
                        how.permutations(),
                        how.overlong());

        List<TaskQuestion> questions = Asking.ask("quiz", folder, shotless);

        assertEquals(List.of(1, 0, 3, 2), questions.stream().map(TaskQuestion::gold).toList());
        String third = questions.get(2).requests().get(0).context();
        assertTrue(third.endsWith("Q?\nA. y\nB. z\nC. w\nD. x\nAnswer:"), third);
        assertTrue(third.contains("D?\nA. w\nB. x\nC. y\nD. z\nAnswer: A\n\n"), third);
    }

    @Test
    void rotationsOfWhatIsNotShownAreRefused() {
        Asking.write(
                folder,
                "arc_easy.jsonl",
                "{\"query\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 1}\n");

        for (QuestionSettings how :
                List.of(
                        Asking.rotated(Scoring.LIKELIHOOD, 2),
                        Asking.rotated(Scoring.GENERATE, 1))) {
            InvalidValueException error =
                    assertThrows(
                            InvalidValueException.class, () -> Asking.ask("arc_easy", folder, how));
            assertTrue(error.getMessage().contains("does not show its options"));
        }
        Asking.write(folder, "quiz/test/maps_test.csv", "Q?,w,x,y,z,B\n");
        Asking.write(folder, "quiz/dev/maps_dev.csv", "Q?,w,x,y,z,B\n".repeat(5));
        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () -> Asking.ask("quiz", folder, Asking.rotated(Scoring.LIKELIHOOD, 5)));
        assertEquals("permutations", error.key());
    }
}
