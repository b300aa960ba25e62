package dev.tegu.eval.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NeedleDocumentsTest {
    private static final Pattern NEEDLE =
            Pattern.compile("The special magic number for ([a-z]+) is: ([1-9]\\d{4})\\. ");

    private static final String HAYSTACK =
            IntStream.range(10, 60)
                    .mapToObj(i -> "Sentence " + i + " is\nhere.")
                    .collect(Collectors.joining(" "));

    @Test
    void needleStandsBetweenSentencesAndTheRestIsThePassageUnchanged() {
        NeedleDocuments source = new NeedleDocuments(HAYSTACK);
        for (int i = 0; i < 100; i++) {
            ProbeDocument document = source.generate(new StableRandom(i), 300, i / 99.0);

            Matcher needle = NEEDLE.matcher(document.context());
            assertTrue(needle.find(), document.context());
            String passage = needle.replaceFirst("");
            assertTrue(HAYSTACK.contains(passage), passage);
            assertTrue(passage.startsWith("Sentence ") && passage.endsWith("here."), passage);
            assertTrue(passage.length() <= 300 && passage.length() >= 150, passage);
            assertEquals(
                    "\nWhat is the special magic number for KEY? The special magic number for KEY is:"
                            .replace("KEY", needle.group(1)),
                    document.questions().get(0).prompt());
            assertEquals(" " + needle.group(2), document.questions().get(0).answer());
        }
    }

    @Test
    void depthGoesFromAfterTheFirstToBeforeTheLastSentence() {
        NeedleDocuments source = new NeedleDocuments("A b. C d. E f. G h.");

        String first = source.generate(new StableRandom(1), 19, 0).context();
        String middle = source.generate(new StableRandom(1), 19, 0.5).context();
        String last = source.generate(new StableRandom(1), 19, 1).context();

        assertTrue(first.matches("A b\\. The special.*\\. C d\\. E f\\. G h\\."), first);
        assertTrue(middle.matches("A b\\. C d\\. The special.*\\. E f\\. G h\\."), middle);
        assertTrue(last.matches("A b\\. C d\\. E f\\. The special.*\\. G h\\."), last);
    }

    @Test
    void passagesComeFromAllOverTheHaystack() {
        NeedleDocuments source = new NeedleDocuments(HAYSTACK);

        long starts =
                IntStream.range(0, 400)
                        .mapToObj(i -> source.generate(new StableRandom(i), 100, 0).context())
                        .map(text -> text.substring(0, "Sentence 10".length()))
                        .distinct()
                        .count();

        assertTrue(starts >= 40, "of 50 sentences only " + starts + " begin a passage");
    }

    @Test
    void textWithoutEnoughSentencesIsRefused() {
        NeedleDocuments oneLong = new NeedleDocuments("x".repeat(1_000));
        NeedleDocuments tooShort = new NeedleDocuments("A b. C d.");

        assertThrows(
                IllegalArgumentException.class,
                () -> oneLong.generate(new StableRandom(0), 500, 0.5));
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> tooShort.generate(new StableRandom(0), 500, 0.5));
        assertEquals(
                "the haystack of 2 sentences has no run of two or more with 250 to 500 characters;"
                        + " ask for another length or give a longer text",
                error.getMessage());
    }

    @Test
    void depthOutsideZeroToOneIsRefused() {
        NeedleDocuments source = new NeedleDocuments(HAYSTACK);

        assertThrows(
                IllegalArgumentException.class,
                () -> source.generate(new StableRandom(0), 300, 1.01));
        assertThrows(
                IllegalArgumentException.class,
                () -> source.generate(new StableRandom(0), 300, Double.NaN));
    }
}
