package dev.tegu.eval.recall;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Looks the answers up in the text that it is given, by its own patterns. */
final class Oracle {
    private Oracle() {}

    static String answer(String task, String text) {
        if (task.startsWith("niah_")) {
            return needles(text);
        }
        return switch (task) {
            case "passkey" -> first(text, "The pass key is (\\d+)\\. Remember it");
            case "passkey_5" ->
                    first(
                            text,
                            "Remember that the "
                                    + first(text, "which is (\\w+) passkey\\?\n$")
                                    + " passkey is \"([^\"]+)\"");
            case "ruler_vt" -> variables(text);
            case "ruler_cwe" -> frequent(between(text, "often.\n", "\nQuestion"), "\\d+\\. ", 10);
            default -> frequent(between(text, "coded words. ", "\nQuestion"), "\\.\\.\\. ?", 3);
        };
    }

    private static String needles(String text) {
        String asked = first(text, " for ([^.?]+) mentioned in the provided text (?:is|are)$");
        List<String> values = new ArrayList<>();
        for (String key : asked.split(", and |, ")) {
            Matcher needle =
                    Pattern.compile(
                                    "One of the special magic \\w+ for "
                                            + Pattern.quote(key)
                                            + " is: ([^.]+)\\.")
                            .matcher(text);
            while (needle.find()) {
                values.add(needle.group(1));
            }
        }
        return " " + String.join(", ", values);
    }

    private static String variables(String text) {
        String last = text.substring(Math.max(0, text.lastIndexOf("Memorize and track")));
        String value = first(last, "assigned the value (\\d+) in the text above\\.");
        List<String> names = new ArrayList<>();
        String name = first(last, "VAR ([A-Z]{5}) = " + value);
        while (!name.isEmpty()) {
            names.add(name);
            name = first(last, "VAR ([A-Z]{5}) = VAR " + name);
        }
        return " " + String.join(" ", names);
    }

    private static String frequent(String list, String noise, int count) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        Arrays.stream(list.replaceAll(noise, " ").trim().split(" +"))
                .forEach(word -> counts.merge(word, 1, Integer::sum));
        return counts.entrySet().stream()
                .sorted((a, b) -> b.getValue() - a.getValue())
                .limit(count)
                .map(Map.Entry::getKey)
                .collect(Collectors.joining(" "));
    }

    private static String between(String text, String from, String to) {
        int start = text.indexOf(from);
        return text.substring(start < 0 ? 0 : start + from.length(), text.lastIndexOf(to));
    }

    private static String first(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        return matcher.find() ? matcher.group(1) : "";
    }
}
