package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DocFunctionTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = false,
            value = {
                "How to bake [title] Heat it.|How to bake. Heat it.",
                "[title] First|' First'",
                "[header] Make tea [step] Boil.|' Make tea Boil.'",
                "a   b|a  b",
                "a [x] b|a b",
                "a [x [y] z] b|a z] b",
                "no end [x|no end [x",
                " edges |edges",
            })
    void bracketsOfWikiHowGo(String text, String expected) {
        assertEquals(expected, DocFunction.withoutBrackets(text));
    }

    @Test
    void bracketsEndOnTheirLine() {
        assertEquals("a [b\nc] d", DocFunction.withoutBrackets("a [b\nc] d"));
        assertEquals("a d", DocFunction.withoutBrackets("a [b\u2028c] d"));
    }

    @Test
    void hellaswagKeepsItsFields() {
        Map<String, Object> doc =
                Map.of(
                        "activity_label", "Tea",
                        "ctx_a", "a b.",
                        "ctx_b", "tHEN",
                        "endings", List.of("x"),
                        "label", "");

        Map<String, Object> ready = DocFunction.HELLASWAG.apply(doc);

        assertEquals("Tea: a b. Then", ready.get("query"));
        assertEquals("", ready.get("label"));
    }

    @Test
    void winograndeNeedsAGapAndAnAnswer() {
        Map<String, Object> doc = new HashMap<>();
        doc.put("sentence", "no gap");
        doc.put("option1", "x");
        doc.put("option2", "y");
        doc.put("answer", "");

        assertEquals(
                "`sentence` has no gap: expected a `_` in it",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> DocFunction.WINOGRANDE.apply(doc))
                        .getMessage());
        doc.put("sentence", "a _ b");
        assertEquals(
                "`answer`: expected 1 or 2, found ``; the test split is published without answers",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> DocFunction.WINOGRANDE.apply(doc))
                        .getMessage());
    }
}
