package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TextTemplateTest {
    private static final Map<String, Object> DOC =
            Map.ofEntries(
                    Map.entry("text", "Hello the big  world's end"),
                    Map.entry("choices", Map.of("text", List.of("a b", "c's \"q\""))),
                    Map.entry("labels", List.of("A", "B")),
                    Map.entry("answerKey", " B"),
                    Map.entry("n", 3),
                    Map.entry("braces", "{{x}} {% y %}"),
                    Map.entry(
                            "stem",
                            Map.of(
                                    "choices",
                                    List.of(
                                            Map.of("text", "t1", "label", "A"),
                                            Map.of("text", "t2", "label", "B")))));

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            value = {
                "Q {{text}}:~Q Hello the big  world's end:",
                "{{text.split(' ')[:-1]|join(' ')}}~Hello the big  world's",
                "{{' '+text.split(' ')[-1]}}~' end'",
                "{{braces}}~{{x}} {% y %}",
                "{{ 'x_y'|replace('_', ' ') }}~x y",
                "n {{n}}~n 3",
            })
    void rendersAsPythonsJinja(String template, String expected) {
        assertEquals(expected, TextTemplate.of(template).render(DOC));
    }

    @Test
    void lineEndsStay() {
        assertEquals("a\nb\n\n", TextTemplate.of("a\n{{ 'b' }}\n\n").render(DOC));
        assertEquals(
                "a\n\nx\n\nc", TextTemplate.of("a\n{% if n %}\nx\n{% endif %}\nc").render(DOC));
    }

    @Test
    void oneExpressionIsItsValue() {
        assertEquals(List.of("a b", "c's \"q\""), TextTemplate.of("{{choices.text}}").value(DOC));
        assertEquals(
                List.of("Hello the big  world's end", "{{x}} {% y %}"),
                TextTemplate.of("{{[text, braces]}}").value(DOC));
        assertEquals(1, TextTemplate.of("{{labels.index(answerKey.lstrip())}}").value(DOC));
        assertEquals(
                List.of("t1", "t2"),
                TextTemplate.of("{{stem.choices|map(attribute='text')|list}}").value(DOC));
        assertEquals(
                1,
                TextTemplate.of(
                                "{{(stem.choices|map(attribute='label')|list)"
                                        + ".index(answerKey.strip())}}")
                        .value(DOC));
        assertEquals("3 ", TextTemplate.of("{{n}} ").value(DOC));
        assertEquals("3 3", TextTemplate.of("{{n}} {{n}}").value(DOC));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{missing}}",
                "{{missing.text}} x",
                "{{labels.index('C')}}",
                "{{n",
                "{{n]}}"
            })
    void aFaultIsOneLine(String template) {
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class, () -> TextTemplate.of(template).value(DOC));

        assertTrue(error.getMessage().startsWith("the template `" + template), error.getMessage());
        assertEquals(1, error.getMessage().lines().count());
    }

    @Test
    void theCapitalOfPython() {
        assertEquals("He said i", PythonText.capitalize("he SAID I"));
        assertEquals("a b", PythonText.strip("\u00a0a b \n"));
        assertEquals(" a", PythonText.stripTrailing(" a\u2003"));
    }
}
