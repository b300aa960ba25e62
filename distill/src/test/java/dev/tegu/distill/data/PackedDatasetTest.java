package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class PackedDatasetTest {
    private static final CharTokenizer MARKS = new CharTokenizer(true, true);

    @TempDir Path dir;

    @Test
    void filesOfTextFollowEachOtherBetweenBosAndEos() throws IOException {
        Path first = write("a.txt", "abc");
        Path second = write("b.txt", "de");

        PackedDataset data = Packed.load(List.of(first, second), DataFormat.TEXT, 2, MARKS);

        assertEquals("^abc$^de$", ids(data) + dropped(data, first, second));
        assertEquals(4, data.size());
        assertEquals(8, data.tokens());
        assertEquals(1, data.droppedTokens());
    }

    @Test
    void bosOpensEverySequenceOfRunningText() throws IOException {
        Path file = write("a.txt", "abcdefg");

        DataSettings settings =
                new DataSettings(
                        List.of(file.toString()),
                        List.of(),
                        List.of(),
                        DataFormat.TEXT,
                        4,
                        Packing.JOINED,
                        false,
                        0);
        PackedDataset data = Packed.load(settings, new CharTokenizer(true, false)).train();

        assertEquals("^^ab^cde", ids(data));
        assertEquals(2, data.droppedTokens());
        assertArrayEquals(new int[] {Sequence.IGNORED, 'c', 'd', 'e'}, data.get(1).labels());
    }

    @Test
    void withoutMarksTheTextsStandSideBySide() throws IOException {
        Path file = write("a.txt", "abcdef");

        PackedDataset data =
                Packed.load(
                        List.of(file, file), DataFormat.TEXT, 4, new CharTokenizer(false, false));

        assertEquals("abcdefabcdef", ids(data));
    }

    @Test
    void labelsOfTextAreItsTokens() throws IOException {
        Path file = write("a.txt", "abcd");

        Sequence sequence = Packed.load(List.of(file), DataFormat.TEXT, 6, MARKS).get(0);

        assertArrayEquals(sequence.ids(), sequence.labels());
    }

    @Test
    void aByteOrderMarkIsNoText() throws IOException {
        Path file = write("a.txt", "\uFEFFabcd");

        assertEquals("^abcd$", ids(Packed.load(List.of(file), DataFormat.TEXT, 3, MARKS)));
    }

    @Test
    void promptsAreMaskedAndCompletionsAreNot() throws IOException {
        Path file =
                write(
                        "a.jsonl",
                        "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n\n{\"text\": \"ef\"}\n");

        PackedDataset data = Packed.load(List.of(file), DataFormat.JSONL, 5, MARKS);

        assertEquals("^abcd$^ef$", ids(data));
        assertEquals("___cd$^ef$", labels(data));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "array|[{\"instruction\": \"Add.\", \"input\": \"1\", \"output\": \"two\"}]",
                "lines|{\"instruction\": \"Add.\", \"input\": \"1\", \"output\": \"two\"}"
            })
    void alpacaTrainsOnTheOutputAlone(String name, String content) throws IOException {
        Path file = write(name + ".json", content);
        String prompt = AlpacaPrompt.of("Add.", "1");
        int length = prompt.length() + 5;

        PackedDataset data = Packed.load(List.of(file), DataFormat.ALPACA, length, MARKS);

        assertEquals("^" + prompt + "two$", ids(data));
        assertEquals("_".repeat(1 + prompt.length()) + "two$", labels(data));
    }

    @Test
    void alpacaWithoutInputHasNoInputSection() {
        assertEquals(
                """
                Read the instruction and write a response that carries it out.

                ### Instruction:
                Add.

                ### Response:
                """,
                AlpacaPrompt.of("Add.", " "));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '#',
            value = {
                "JSONL|{\"text\": \"a\"}~{\"text\": }|:2: not JSON",
                "JSONL|{\"text\": \"a\"}~[1]|:2: expected a JSON object, found a JSON array",
                "JSONL|{\"text\": \"a\"} 1|:1: not JSON",
                "JSONL|{\"text\": 1}|:1: `text`: expected a string, found a JSON number",
                "JSONL|{\"prompt\": \"a\"}|:1: expected the field `completion`, found `prompt`",
                "JSONL|{\"words\": \"a\"}|:1: expected the field `text`",
                "ALPACA|[~{\"instruction\": \"a\"}]|:2: expected the field `output`",
                "ALPACA|[~{\"instruction\" 1}]|:2: not JSON",
                "ALPACA|[{\"instruction\": \"a\", \"output\": \"b\"}|:1: ends in the middle",
                "ALPACA|[{\"instruction\": \"a\", \"output\": \"b\"}]~x|:2: text after the end of the array",
                "ALPACA|[]|: holds no text",
                "TEXT|##|: holds no text",
                "TEXT|abc|: 5 tokens, less than one sequence of 100"
            })
    void faultsNameTheirFileAndLine(DataFormat format, String content, String expected)
            throws IOException {
        Path file = write("data", content.replace('~', '\n'));

        DataException e =
                assertThrows(
                        DataException.class, () -> Packed.load(List.of(file), format, 100, MARKS));

        assertTrue(e.getMessage().startsWith(file + expected), e.getMessage());
    }

    @Test
    void aMissingFileIsNamedWithTheFolderItWasSoughtFrom() {
        Path file = dir.resolve("none.txt");

        DataException e =
                assertThrows(
                        DataException.class,
                        () -> Packed.load(List.of(file), DataFormat.TEXT, 2, MARKS));

        assertTrue(e.getMessage().startsWith(file + ": no such file"), e.getMessage());
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws IOException {
        Path file = Files.write(dir.resolve("latin.txt"), new byte[] {'a', (byte) 0xE9, 'b'});

        DataException e =
                assertThrows(
                        DataException.class,
                        () -> Packed.load(List.of(file), DataFormat.TEXT, 2, MARKS));

        assertTrue(e.getMessage().startsWith(file + ": not UTF-8"), e.getMessage());
    }

    private Path write(String name, String content) throws IOException {
        return Files.writeString(dir.resolve(name), content);
    }

    private static String ids(PackedDataset data) {
        return show(data, false);
    }

    private static String labels(PackedDataset data) {
        return show(data, true);
    }

    /** The last characters of the stream, read again with sequences that leave nothing over. */
    private static String dropped(PackedDataset data, Path... files) throws IOException {
        int all = (int) (data.tokens() + data.droppedTokens());
        PackedDataset whole = Packed.load(List.of(files), DataFormat.TEXT, all, MARKS);
        return ids(whole).substring((int) data.tokens());
    }

    private static String show(PackedDataset data, boolean labels) {
        StringBuilder shown = new StringBuilder();
        for (int i = 0; i < data.size(); i++) {
            Sequence sequence = data.get(i);
            shown.append(
                    Arrays.stream(labels ? sequence.labels() : sequence.ids())
                            .mapToObj(PackedDatasetTest::character)
                            .collect(Collectors.joining()));
        }
        return shown.toString();
    }

    private static String character(int id) {
        return switch (id) {
            case CharTokenizer.BOS -> "^";
            case CharTokenizer.EOS -> "$";
            case Sequence.IGNORED -> "_";
            default -> Character.toString(id);
        };
    }
}
