package dev.tegu.eval.task;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.tokenizer.PythonText;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What makes an answer of what the model wrote.
 *
 * @param name names it in the file
 * @param filter steps, one after the other
 */
public record FilterSpec(String name, List<Step> filter) {
    /** What a step does. */
    public enum Function {
        /** Takes one place that fits the pattern: its first group that holds something. */
        REGEX,
        /** Takes white space off the beginning. */
        REMOVE_WHITESPACE,
        /** Does nothing here, where one text is written: the first of several in the harness. */
        TAKE_FIRST
    }

    /**
     * A step.
     *
     * @param function what it does
     * @param regexPattern of {@code regex}, required there
     * @param groupSelect of {@code regex}: which of the places that fit, 0 the first, -1 the last
     * @param fallback of {@code regex}: the answer if no place fits
     */
    public record Step(
            Function function,
            Optional<String> regexPattern,
            @Default("0") int groupSelect,
            @Default("\"[invalid]\"") String fallback) {
        /**
         * @throws InvalidValueException if the keys do not fit the function, or the pattern is none
         */
        public Step {
            if ((function == Function.REGEX) != regexPattern.isPresent()) {
                throw new InvalidValueException(
                        "regex_pattern",
                        function == Function.REGEX
                                ? "`regex` needs a pattern"
                                : "only `regex` has a pattern");
            }
            try {
                regexPattern.ifPresent(Pattern::compile);
            } catch (PatternSyntaxException e) {
                throw new InvalidValueException("regex_pattern", e.getDescription());
            }
        }

        private String apply(String text) {
            return switch (function) {
                case REGEX -> fitting(text);
                case REMOVE_WHITESPACE -> text.substring(leading(text));
                case TAKE_FIRST -> text;
            };
        }

        private String fitting(String text) {
            Matcher matcher = Pattern.compile(regexPattern.orElseThrow()).matcher(text);
            List<MatchResult> found = matcher.results().toList();
            int index = groupSelect < 0 ? found.size() + groupSelect : groupSelect;
            if (index < 0 || index >= found.size()) {
                return fallback;
            }
            MatchResult place = found.get(index);
            for (int group = 1; group <= place.groupCount(); group++) {
                if (place.group(group) != null && !place.group(group).isEmpty()) {
                    return PythonText.strip(place.group(group));
                }
            }
            return PythonText.strip(place.group());
        }

        private static int leading(String text) {
            String stripped = PythonText.strip(text);
            return stripped.isEmpty() ? text.length() : text.indexOf(stripped);
        }
    }

    /** Copies the steps. */
    public FilterSpec {
        filter = List.copyOf(filter);
    }

    /** The answer in a text. */
    String apply(String text) {
        String answer = text;
        for (Step step : filter) {
            answer = step.apply(answer);
        }
        return answer;
    }
}
