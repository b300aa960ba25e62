package dev.tegu.eval.task;

import dev.tegu.tokenizer.PythonText;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What lm-evaluation-harness does to a record in Python, by name. Fields are added, none is lost.
 */
public enum DocFunction {
    /** Takes nothing away; for a layout whose data need none of what the published ones need. */
    NONE {
        @Override
        Map<String, Object> apply(Map<String, Object> doc) {
            return doc;
        }
    },
    /**
     * HellaSwag: {@code query} is the activity, a colon and the context, {@code choices} the
     * endings, all without the brackets that WikiHow left in them.
     */
    HELLASWAG {
        @Override
        Map<String, Object> apply(Map<String, Object> doc) {
            String context = text(doc, "ctx_a") + " " + PythonText.capitalize(text(doc, "ctx_b"));
            Map<String, Object> more = new LinkedHashMap<>(doc);
            more.put("query", withoutBrackets(text(doc, "activity_label") + ": " + context));
            more.put(
                    "choices",
                    DocText.list(doc.get("endings")).stream()
                            .map(DocFunction::withoutBrackets)
                            .toList());
            return more;
        }
    },
    /**
     * WinoGrande: {@code context_options} are the sentence up to the gap with either option in it,
     * {@code continuation} is what follows the gap, {@code gold} the index of the right option.
     */
    WINOGRANDE {
        @Override
        Map<String, Object> apply(Map<String, Object> doc) {
            String sentence = text(doc, "sentence");
            int gap = sentence.indexOf('_');
            if (gap < 0) {
                throw new IllegalArgumentException("`sentence` has no gap: expected a `_` in it");
            }
            String before = sentence.substring(0, gap);
            String answer = text(doc, "answer");
            if (!answer.equals("1") && !answer.equals("2")) {
                throw new IllegalArgumentException(
                        "`answer`: expected 1 or 2, found `"
                                + answer
                                + "`; the test split is published without answers");
            }
            Map<String, Object> more = new LinkedHashMap<>(doc);
            more.put(
                    "context_options",
                    List.of(before + text(doc, "option1"), before + text(doc, "option2")));
            more.put("continuation", PythonText.strip(sentence.substring(gap + 1)));
            more.put("gold", answer.equals("1") ? 0 : 1);
            return more;
        }
    };

    /** As Python's dot: any character but a newline. */
    private static final Pattern BRACKETS = Pattern.compile("\\[.*?\\]", Pattern.UNIX_LINES);

    /**
     * @throws IllegalArgumentException if a field is missing or of another form
     */
    abstract Map<String, Object> apply(Map<String, Object> doc);

    static String withoutBrackets(String text) {
        String titles = PythonText.strip(text).replace(" [title]", ". ");
        return BRACKETS.matcher(titles).replaceAll("").replace("  ", " ");
    }

    private static String text(Map<String, Object> doc, String field) {
        Object value = doc.get(field);
        if (value == null) {
            throw new IllegalArgumentException(
                    "expected the field `" + field + "`, found " + doc.keySet());
        }
        return value.toString();
    }
}
