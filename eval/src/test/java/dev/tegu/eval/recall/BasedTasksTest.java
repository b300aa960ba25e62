package dev.tegu.eval.recall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.TaskResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BasedTasksTest {
    @TempDir Path dir;

    private TaskResult run(String task, ReadingModel model) {
        EvalSettings settings =
                ConfigBinder.bind(
                        ConfigNode.parse("{tasks: [" + task + "]}", "test"), EvalSettings.class);
        return EvalTasks.named(task)
                .run(
                        new EvalInput(
                                model,
                                ReadingModel.TOKENIZER,
                                new EvalData(List.of(), Optional.of(dir))),
                        settings,
                        EvalProgress.NONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"fda", "swde", "squad_completion"})
    @DisplayName("stripped prompts; 48 tokens up to the line's end; the value in any case")
    void basedFormats(String task) throws Exception {
        Files.writeString(
                dir.resolve(task + ".jsonl"),
                """
                {"doc_id": "a", "key": "code", "text": "Code: Alpha-9 here. \\n Code: ", "value": " alpha-9 "}
                {"doc_id": "b", "key": "code", "text": "Code: second line. \\n Code:", "value": "second line"}
                {"doc_id": "c", "key": "code", "text": "Code: far. \\n Code:", "value": "far"}
                {"doc_id": "d", "key": "code", "text": "Code: other. \\n Code:", "value": "this"}
                """);
        Map<String, String> answers =
                Map.of(
                        "Code: Alpha-9 here. \n Code:", " it is Alpha-9.\nmore",
                        "Code: second line. \n Code:", " no\nsecond line",
                        "Code: far. \n Code:", "x".repeat(46) + "far",
                        "Code: other. \n Code:", " that");
        UnaryOperator<String> known = answers::get;
        ReadingModel model = new ReadingModel(500, 500, known);

        TaskResult result = run(task, model);

        assertEquals(
                List.of(1.0, 0.0, 0.0, 0.0),
                result.samples().stream().map(s -> s.metrics().get("contains")).toList());
        assertEquals(0.25, result.metric("contains").value());
        assertTrue(model.prompts.containsAll(answers.keySet()), model.prompts.toString());
        assertEquals(List.of(" it is Alpha-9."), result.samples().get(0).responses());
        assertEquals("alpha-9", result.samples().get(0).target());
    }
}
