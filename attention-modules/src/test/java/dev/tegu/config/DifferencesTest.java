package dev.tegu.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class DifferencesTest {
    private static Map<String, String> flat(String yaml) {
        return Differences.flat(ConfigNode.parse(yaml, "test"));
    }

    @Test
    void everyKeyThatDiffersIsNamedOnceAndCommentsAndFormDoNotCount() {
        Map<String, String> before =
                flat("a: 1 # here\nb: {c: 0.01, d: [x, y]}\ne: {}\nf: text\ngone: {g: 1}\n");
        Map<String, String> now =
                flat("f: 'text'\nb:\n  d: [x]\n  c: 1.0e-2 # there\na: 2\ne: {}\nnew: null\n");

        assertEquals(
                List.of(
                        "a: was 1, is 2",
                        "b.d: was [x, y], is [x]",
                        "gone.g: was 1, is nothing",
                        "new: was nothing, is null"),
                Differences.of(before, now));
    }
}
