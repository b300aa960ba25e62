package dev.tegu.eval.recall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.EvalTask;
import dev.tegu.eval.probe.StableRandom;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The prompts to the letter, as lm-evaluation-harness and the papers have them. */
class PromptsTest {
    private static final String NOISE =
            "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back"
                    + " again.";

    private static RecallItem item(String task, int size, double depth) {
        EvalTask found =
                RecallTasks.all().stream()
                        .filter(each -> each.name().equals(task))
                        .findFirst()
                        .orElseThrow();
        Haystack text = new Haystack("One came.  Two\nwent!  \"Who?\" asked he. No more");
        Place place = new Place(new CharTokenizer(false), text, 2_000, depth);
        return ((LengthTask) found).source().item(place, new StableRandom(1), size);
    }

    private static String[] groups(String pattern, String text) {
        Matcher matcher = Pattern.compile(pattern, Pattern.DOTALL).matcher(text);
        assertTrue(matcher.matches(), text);
        String[] groups = new String[matcher.groupCount()];
        for (int i = 0; i < groups.length; i++) {
            groups[i] = matcher.group(i + 1);
        }
        return groups;
    }

    @ParameterizedTest
    @CsvSource({
        "niah_single_1, number",
        "niah_single_2, number",
        "niah_single_3, uuid",
        "niah_multikey_1, number",
        "niah_multikey_2, number",
        "niah_multikey_3, uuid",
    })
    void oneNeedle(String task, String kind) {
        RecallItem item = item(task, 14, Double.NaN);

        String[] parts =
                groups(
                        "A special magic "
                                + kind
                                + " is hidden within the following text\\. Make sure to memorize"
                                + " it\\. I will quiz you about the "
                                + kind
                                + " afterwards\\.\n(.*)\nWhat is the special magic "
                                + kind
                                + " for (\\S+) mentioned in the provided text\\? The special magic "
                                + kind
                                + " for (\\S+) mentioned in the provided text is",
                        item.prompt());

        assertEquals(parts[1], parts[2]);
        assertTrue(
                parts[0].contains(
                        "One of the special magic "
                                + kind
                                + "s for "
                                + parts[1]
                                + " is: "
                                + item.references().get(0)
                                + "."));
    }

    @Test
    void fourNeedles() {
        String key = "([a-z]+-[a-z]+)";
        RecallItem query = item("niah_multiquery", 14, Double.NaN);
        RecallItem value = item("niah_multivalue", 14, Double.NaN);
        String before =
                "Some special magic numbers are hidden within the following text\\. Make sure to"
                        + " memorize it\\. I will quiz you about the numbers afterwards\\.\n.*\n"
                        + "What are all the special magic numbers for ";
        String after =
                " mentioned in the provided text\\? The special magic numbers for .* mentioned in"
                        + " the provided text are";

        String[] keys =
                groups(
                        before + String.join(", ", key, key, key) + ", and " + key + after,
                        query.prompt());
        groups(before + key + after, value.prompt());

        for (int i = 0; i < 4; i++) {
            assertTrue(
                    query.context()
                            .contains(
                                    "for " + keys[i] + " is: " + query.references().get(i) + "."));
        }
        assertEquals(4, value.references().size());
    }

    @Test
    @DisplayName("lines of noise or of needles stand on lines of their own, sentences in a row")
    void haystacks() {
        String lines = item("niah_single_1", 3, Double.NaN).context();
        String needles = item("niah_multikey_2", 3, Double.NaN).context();
        String essay = item("niah_single_2", 12, Double.NaN).context();

        String[] line = lines.split("\n");
        assertEquals(6, line.length);
        assertEquals(3, Arrays.stream(line).filter(NOISE::equals).count());
        assertEquals(4, needles.split("One of the special", -1).length - 1);
        String hidden =
                essay.substring(essay.indexOf('\n') + 1, essay.lastIndexOf('\n'))
                        .replaceFirst("One of the special magic numbers for \\S+ is: \\d+\\.", "#")
                        .replaceFirst(" ?# ?", " ")
                        .strip();
        assertEquals("One came. Two went! \"Who?\" asked he. No more One came. Two", hidden);
        assertEquals(
                List.of("One came.", "Two went!", "\"Who?\"", "asked he.", "No more One"),
                new Haystack("One came.  Two\nwent!  \"Who?\" asked he. No more").sentences(10));
    }

    @Test
    void variableTracking() {
        RecallItem item = item("ruler_vt", 8, Double.NaN);
        String question =
                "Memorize and track the chain\\(s\\) of variable assignment hidden in the following"
                        + " text\\.\n\n(.*)\nQuestion: Find all variables that are assigned the"
                        + " value (\\d{5}) in the text above\\.";
        String prefix =
                "Answer: According to the chain\\(s\\) of variable assignment in the text above, 5"
                        + " variables are assgined the value (\\d{5}), they are:";

        String[] parts =
                groups(
                        question
                                + " "
                                + prefix
                                + "  ([A-Z]{3}(?: [A-Z]{3}){4})\n\n\n\n"
                                + question
                                + "\n\n"
                                + prefix,
                        item.prompt());

        assertEquals(parts[1], parts[2]);
        assertEquals(parts[5], parts[6]);
        String context = parts[4];
        int at = context.indexOf("VAR " + item.references().get(0) + " = " + parts[5]);
        assertTrue(at >= 0);
        for (int i = 1; i < 5; i++) {
            int next =
                    context.indexOf(
                            "VAR "
                                    + item.references().get(i)
                                    + " = VAR "
                                    + item.references().get(i - 1)
                                    + " ");
            assertTrue(next > at, "in order");
            at = next;
        }
        assertEquals(8, context.split(Pattern.quote(NOISE + "\n"), -1).length - 1);
        String fact = item.context().substring(item.factStart(), item.factEnd());
        assertEquals("VAR " + item.references().get(0) + " = " + parts[5], fact);
    }

    @Test
    void wordLists() {
        groups(
                "Below is a numbered list of words\\. In these words, some appear more often than"
                        + " others\\. Memorize the ones that appear most often\\.\n1\\. (\\w+) 2\\."
                        + " .*\nQuestion: What are the 10 most common words in the above list\\?"
                        + "\n\nAnswer: The top 10 words that appear most often in the list are:",
                item("ruler_cwe", 30, Double.NaN).prompt());
        groups(
                "Read the following coded text and track the frequency of each coded word\\. Find"
                        + " the three most frequently appeared coded words\\. (.*)\nQuestion: Do"
                        + " not provide any explanation\\. Please ignore the dots '\\.\\.\\.\\.'\\."
                        + " What are the three most frequently appeared words in the above coded"
                        + " text\\? Answer: According to the coded text above, the three most"
                        + " frequently appeared words are:",
                item("ruler_fwe", 90, Double.NaN).prompt());
    }

    @Test
    void passkeys() {
        String cut = (NOISE + " " + NOISE).substring(0, 100);
        RecallItem one = item("passkey", 300, 1.0 / 3);
        String key = one.references().get(0);
        assertEquals(
                "There is an important info hidden inside a lot of irrelevant text. Find it and"
                        + " memorize them. I will quiz you about the important information there.\n"
                        + cut
                        + "\nThe pass key is "
                        + key
                        + ". Remember it. "
                        + key
                        + " is the pass key.\n"
                        + (NOISE + " " + NOISE + " " + NOISE).substring(0, 200)
                        + "\nWhat is the pass key? The pass key is",
                one.prompt());

        RecallItem five = item("passkey_5", 14, 0.5);
        String[] parts =
                groups(
                        ".*Remember that the (\\w+) passkey is \"([a-z ]+)\"\\..*\nPrompt: Based on"
                                + " the provided context, which is (\\w+) passkey\\?\n",
                        five.prompt());
        assertTrue(
                five.prompt()
                        .contains(
                                "Remember that the "
                                        + parts[2]
                                        + " passkey is \""
                                        + five.references().get(0)
                                        + "\"."));
        assertTrue(!five.prompt().contains("  "), five.prompt());
    }
}
