package dev.tegu.eval.task;

import dev.tegu.config.ConfigNode;
import dev.tegu.records.DataException;
import dev.tegu.tokenizer.TextTemplate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What a task makes of a record: question, answers and the right one, by the rules of
 * lm-evaluation-harness's {@code ConfigurableTask}. Faults name the record.
 */
final class DocText {
    /** Digits alone are a number where there are choices to count. */
    private static final String INDEX = "[0-9]{1,6}";

    private final TaskSpec spec;
    private final Optional<String> subject;

    /**
     * @param subject of a group's member, which templates know as {@code subject}
     */
    DocText(TaskSpec spec, Optional<String> subject) {
        this.spec = spec;
        this.subject = subject;
    }

    /** The text before everything. */
    String description(TaskDoc doc) {
        return at(doc, () -> TextTemplate.of(spec.description()).render(fields(doc)));
    }

    /** The question; empty text if its choices are contexts themselves. */
    String question(TaskDoc doc) {
        if (spec.multipleInputs()) {
            return "";
        }
        return at(doc, () -> String.valueOf(value(doc, doc.layout().docToText().orElseThrow())));
    }

    /**
     * The answers there are.
     *
     * @throws DataException if there are fewer than two, or one is empty
     */
    List<String> choices(TaskDoc doc) {
        List<String> choices =
                at(
                        doc,
                        () -> {
                            ConfigNode node = doc.layout().docToChoice().orElseThrow();
                            return node.kind() == ConfigNode.Kind.LIST
                                    ? node.items().stream().map(ConfigNode::text).toList()
                                    : list(value(doc, node.text()));
                        });
        if (choices.size() < 2) {
            throw new DataException(
                    doc.place() + ": expected two or more answers, found " + choices.size());
        }
        if (choices.contains("")) {
            throw new DataException(
                    doc.place() + ": an answer is empty, its length divides scores");
        }
        return choices;
    }

    /**
     * Index of the right answer.
     *
     * @throws DataException if it is none of the choices
     */
    int gold(TaskDoc doc, List<String> choices) {
        Object gold =
                at(
                        doc,
                        () ->
                                spec.multipleInputs()
                                        ? value(doc, doc.layout().docToText().orElseThrow())
                                        : target(doc));
        int index = index(gold).orElseGet(() -> choices.indexOf(String.valueOf(gold)));
        if (index < 0 || index >= choices.size()) {
            throw new DataException(
                    (doc.place() + ": the right answer is `" + gold + "`, which is none of the ")
                            + choices.size()
                            + " choices");
        }
        return index;
    }

    /** The right answer's text, or what follows every choice. */
    String answer(TaskDoc doc) {
        if (spec.outputType() == TaskSpec.OutputType.MULTIPLE_CHOICE && !spec.multipleInputs()) {
            List<String> choices = choices(doc);
            return choices.get(gold(doc, choices));
        }
        return at(doc, () -> String.valueOf(target(doc)));
    }

    /** The record as a solved example, its delimiter at the end. */
    String shot(TaskDoc doc) {
        String question = question(doc);
        if (spec.multipleInputs()) {
            List<String> choices = choices(doc);
            question = choices.get(gold(doc, choices));
        }
        String answer = answer(doc);
        return answer.isEmpty()
                ? question
                : question + spec.targetDelimiter() + answer + spec.fewshotDelimiter();
    }

    private Object target(TaskDoc doc) {
        return value(doc, doc.layout().docToTarget().orElseThrow().text());
    }

    private Object value(TaskDoc doc, String template) {
        Object column = doc.fields().get(template);
        return column != null ? column : TextTemplate.of(template).value(fields(doc));
    }

    private Map<String, Object> fields(TaskDoc doc) {
        if (subject.isEmpty()) {
            return doc.fields();
        }
        Map<String, Object> all = new LinkedHashMap<>(doc.fields());
        all.put("subject", subject.get());
        return all;
    }

    private static Optional<Integer> index(Object gold) {
        if (gold instanceof Boolean flag) {
            return Optional.of(flag ? 1 : 0);
        }
        if (gold instanceof Number number) {
            return Optional.of(number.intValue());
        }
        return String.valueOf(gold).matches(INDEX)
                ? Optional.of(Integer.valueOf(String.valueOf(gold)))
                : Optional.empty();
    }

    /** The texts of a list. */
    static List<String> list(Object value) {
        if (!(value instanceof List<?> values)) {
            throw new IllegalArgumentException("expected a list of texts, found `" + value + "`");
        }
        List<String> texts = new ArrayList<>();
        values.forEach(item -> texts.add(String.valueOf(item)));
        return texts;
    }

    private static <T> T at(TaskDoc doc, Supplier<T> step) {
        try {
            return step.get();
        } catch (IllegalArgumentException e) {
            throw new DataException(
                    (doc.place() + ": " + e.getMessage() + "; its fields are ")
                            + String.join(", ", doc.fields().keySet()),
                    e);
        }
    }
}
