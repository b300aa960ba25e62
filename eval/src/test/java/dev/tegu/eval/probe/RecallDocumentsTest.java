package dev.tegu.eval.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RecallDocumentsTest {
    private static final String WORD = "([bdfgklmnprstvz][aeiou]){2,3}";

    @Test
    void documentHasTheFormatToTheLetter() {
        String text = RecallDocuments.generate(new StableRandom(1), 4, 2).text();

        assertTrue(
                text.matches(
                        "Records:\n(WORD: \\w+\n){4}Questions:(\nWhat is the value of WORD\\? \\w+){2}"
                                .replace("WORD", WORD)),
                text);
    }

    @Test
    void seedFixesTheDocumentForEver() {
        assertEquals(
                """
                Records:
                vinobu: zotive
                lukanu: wool
                potalu: 1879
                Questions:
                What is the value of lukanu? wool
                What is the value of potalu? 1879""",
                RecallDocuments.generate(new StableRandom(0), 3, 2).text());
    }

    @Test
    void keysDifferAndEveryAnswerIsTheRecordsValue() {
        StableRandom random = new StableRandom(3);
        Set<String> kinds = new HashSet<>();
        for (int i = 0; i < 50; i++) {
            ProbeDocument document = RecallDocuments.generate(random.fork(i), 48, 16);

            Map<String, String> records = new LinkedHashMap<>();
            List<String> lines = document.context().lines().toList();
            for (String line : lines.subList(1, lines.size() - 1)) {
                String[] parts = line.split(": ");
                assertFalse(records.containsKey(parts[0]), "twice: " + parts[0]);
                records.put(parts[0], parts[1]);
                kinds.add(kind(parts[1]));
            }
            assertEquals(48, records.size());
            assertEquals(16, document.questions().stream().map(q -> q.prompt()).distinct().count());
            for (ProbeDocument.Question question : document.questions()) {
                String key = question.prompt().replaceAll("\nWhat is the value of |\\?", "");
                assertEquals(" " + records.get(key), question.answer());
            }
            for (String value : records.values()) {
                assertFalse(records.containsKey(value), "a value is a key: " + value);
            }
        }
        assertEquals(Set.of("number", "word", "listed"), kinds);
    }

    private static String kind(String value) {
        if (value.matches("\\d+")) {
            int number = Integer.parseInt(value);
            assertTrue(number >= 100 && number <= 9999, value);
            return "number";
        }
        return value.matches(WORD) ? "word" : "listed";
    }

    @Test
    void refusesMoreQuestionsThanRecords() {
        assertThrows(
                IllegalArgumentException.class,
                () -> RecallDocuments.generate(new StableRandom(0), 3, 4));
        assertThrows(
                IllegalArgumentException.class,
                () -> RecallDocuments.generate(new StableRandom(0), 0, 0));
    }
}
