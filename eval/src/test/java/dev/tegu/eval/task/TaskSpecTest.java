package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.eval.task.FilterSpec.Function;
import dev.tegu.eval.task.FilterSpec.Step;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class TaskSpecTest {
    private static final String BASE =
            """
            task: own
            output_type: multiple_choice
            files: {test: [a.jsonl]}
            test_split: test
            doc_to_text: "{{q}}"
            doc_to_choice: choices
            doc_to_target: gold
            metric_list: [{metric: acc}]
            """;

    private static TaskSpec bind(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "own.yaml"), TaskSpec.class);
    }

    static List<String> names() {
        return TaskLibrary.NAMES;
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyTaskOfTheProgramIsNamedAsItsFile(String name) {
        TaskSpec spec = TaskLibrary.spec(name);

        assertEquals(name, spec.name());
        assertTrue(spec.allLayouts().stream().noneMatch(layout -> layout.columns().isEmpty()));
    }

    @Test
    void mmluHasItsSubjectsAndTheyAreTasks() {
        assertEquals(57, TaskLibrary.spec("mmlu").subjects().size());
        assertEquals(
                "mmlu_world_religions",
                TaskLibrary.named("mmlu_world_religions").orElseThrow().name());
        assertTrue(TaskLibrary.named("mmlu_astrology").isEmpty());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "test_split: test|test_split: tset|test_split",
                "test_split: test|num_fewshot: 0|files",
                "files: {test: [a.jsonl]}|files: {test: []}|files",
                "files: {test: [a.jsonl]}|files: {test: [a.jsonl], dev: [b.jsonl]}|files",
                "files: {test: [a.jsonl]}|files: {test: ['{subject}.csv']}|files",
                "files: {test: [a.jsonl]}|{files: {test: [a.jsonl]}, subjects: [x]}|subjects",
                "task: own|task: own_{subject}|task",
                "task: own|{task: own, group: all}|task",
                "task: own|{task: own, num_fewshot: -1}|num_fewshot",
                "doc_to_choice: choices|description: x|doc_to_choice",
                "output_type: multiple_choice|output_type: loglikelihood|doc_to_choice",
                "doc_to_target: gold|description: x|doc_to_target",
                "doc_to_text: \"{{q}}\"|description: x|doc_to_text",
                "metric_list: [{metric: acc}]|metric_list: []|metric_list",
                "metric_list: [{metric: acc}]|metric_list: [{metric: perplexity}]|metric_list",
                "{metric: acc}|{metric: acc, aggregation: median}|metric_list[0].aggregation",
                "{metric: acc}|{metric: acc, higher_is_better: false}|metric_list[0].higher_is_better",
                "{metric: acc}|{metric: acc, ignore_case: true}|metric_list[0].ignore_case",
                "task: own|{task: own, generation_kwargs: {until: ['']}}|generation_kwargs.until",
                "task: own|{task: own, generation_kwargs: {max_gen_toks: 0}}|generation_kwargs.max_gen_toks",
            })
    void keysThatDoNotFitAreRefused(String from, String to, String key) {
        assertTrue(BASE.contains(from), from);
        String more = to.startsWith("{task") || to.startsWith("{files") ? lines(to) : to;

        ConfigException error =
                assertThrows(ConfigException.class, () -> bind(BASE.replace(from, more)));

        assertEquals(key, error.problems().get(0).path(), error.getMessage());
    }

    /** A block of keys in braces as lines. */
    private static String lines(String block) {
        String inner = block.substring(1, block.length() - 1);
        int second = inner.startsWith("files") ? inner.indexOf("}, ") + 1 : inner.indexOf(", ");
        return inner.substring(0, second) + "\n" + inner.substring(second + 2);
    }

    private static FilterSpec filter(Step... steps) {
        return new FilterSpec("f", List.of(steps));
    }

    private static Step regex(String pattern, int select) {
        return new Step(Function.REGEX, Optional.of(pattern), select, "[invalid]");
    }

    @Test
    void filtersTakeWhatFits() {
        assertEquals("42", filter(regex("(\\d+)", -1)).apply("7 or 42."));
        assertEquals("7", filter(regex("\\d+", 0)).apply("7 or 42."));
        assertEquals("b", filter(regex("x(a)?|( b)", 0)).apply("- b"));
        assertEquals("[invalid]", filter(regex("\\d+", 2)).apply("7 or 42."));
        Step space = new Step(Function.REMOVE_WHITESPACE, Optional.empty(), 0, "");
        Step first = new Step(Function.TAKE_FIRST, Optional.empty(), 0, "");
        assertEquals("a b ", filter(space, first).apply("\n a b "));
        assertEquals("", filter(space).apply(" \n"));
    }

    @Test
    void theLettersOfMmluAreRead() {
        FilterSpec letters = TaskLibrary.spec("mmlu").filterList().get(0);

        assertEquals("B", letters.apply(" B"));
        assertEquals("C", letters.apply(" (C) because"));
        assertEquals("[invalid]", letters.apply(" Because A"));
        assertEquals("[invalid]", letters.apply("E"));
    }

    @Test
    void exactMatchMayPassOverCaseAndPunctuation() {
        MetricSpec strict =
                new MetricSpec(
                        MetricKind.EXACT_MATCH, Optional.empty(), Optional.empty(), false, false);
        MetricSpec loose =
                new MetricSpec(
                        MetricKind.EXACT_MATCH, Optional.empty(), Optional.empty(), true, true);

        assertEquals("It's \"A\".", strict.compared("It's \"A\"."));
        assertEquals("its a", loose.compared("It's \"A\"."));
    }
}
