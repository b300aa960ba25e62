package dev.tegu.config;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/** The YAML library's syntax errors in this project's words: one line, at the place to mend. */
final class YamlErrors {

    private YamlErrors() {}

    static Problem toProblem(JsonProcessingException error, String source) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof MarkedYAMLException marked && marked.getProblemMark() != null) {
                return marked(marked, source);
            }
        }
        JsonLocation location = error.getLocation();
        int line = location == null ? 0 : Math.max(0, location.getLineNr());
        int column = location == null ? 0 : Math.max(0, location.getColumnNr());
        return new Problem(source, line, column, "", unmarked(error.getOriginalMessage()));
    }

    private static String unmarked(String message) {
        if (message.startsWith("special characters")) {
            return "the text holds a control character; is this a YAML file?";
        }
        if (message.startsWith("Expected a field name")) {
            return "a key must be a plain word, not a mapping or a list";
        }
        if (message.contains("nesting depth")) {
            return "nested too deeply to be a configuration";
        }
        return "not YAML: " + message.lines().findFirst().orElse("unknown error");
    }

    private static Problem marked(MarkedYAMLException error, String source) {
        String problem = error.getProblem() == null ? "" : error.getProblem();
        String context = error.getContext() == null ? "" : error.getContext();
        Mark mark = error.getProblemMark();
        Mark opened = error.getContextMark() == null ? mark : error.getContextMark();
        if (problem.contains("(TAB)")) {
            return at(source, mark, "a tab where spaces belong; indent with spaces");
        }
        if (problem.contains("mapping values are not allowed")) {
            return at(
                    source,
                    mark,
                    "a `:` that starts no value here; align the key with its"
                            + " neighbours, or put a text with `:` in quotes");
        }
        if (context.contains("quoted scalar") && problem.contains("end of stream")) {
            return at(source, opened, "the quote opened here is never closed");
        }
        if (problem.contains("unknown escape")) {
            return at(
                    source, mark, "unknown escape after `\\`; use single quotes, or write `\\\\`");
        }
        if (problem.contains("',' or ']'")) {
            return at(
                    source,
                    opened,
                    "the `[` opened here is not closed, or a comma is missing"
                            + until(opened, mark));
        }
        if (problem.contains("',' or '}'")) {
            return at(
                    source,
                    opened,
                    "the `{` opened here is not closed, or a comma is missing"
                            + until(opened, mark));
        }
        if (problem.contains("could not find expected ':'")) {
            return at(
                    source,
                    opened,
                    "expected `key: value` (the `:` or the space after it is" + " missing)");
        }
        if (problem.contains("cannot start any token")) {
            return at(source, mark, "this character starts no value; put the text in quotes");
        }
        if (problem.contains("<document start>")) {
            return at(source, mark, "text after the end of the document; a bracket too many?");
        }
        if (problem.contains("<block end>")) {
            return at(
                    source,
                    mark,
                    "does not go on from what stands before: text after a closing"
                            + " quote, or a line that is not aligned with its neighbours");
        }
        if (problem.contains("node content") && problem.contains("<stream end>")) {
            return at(
                    source,
                    mark,
                    "the text ends where a value is expected; is a bracket left" + " open?");
        }
        if (problem.contains("node content")) {
            return at(
                    source,
                    mark,
                    "expected a value here; a text that starts with a comma or a"
                            + " bracket stands in quotes");
        }
        if (problem.contains("sequence entries")) {
            return at(source, mark, "a list item (`- `) starts a line of its own");
        }
        if (problem.contains("chomping")) {
            return at(
                    source,
                    mark,
                    "after `|` and `>` the text starts on the next line; put a text"
                            + " that starts with them in quotes");
        }
        return at(source, mark, "not YAML: " + problem.lines().findFirst().orElse("unknown error"));
    }

    private static String until(Mark opened, Mark noticed) {
        return opened.getLine() == noticed.getLine()
                ? ""
                : " (noticed at line " + (noticed.getLine() + 1) + ")";
    }

    private static Problem at(String source, Mark mark, String message) {
        return new Problem(source, mark.getLine() + 1, mark.getColumn() + 1, "", message);
    }
}
