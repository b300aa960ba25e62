package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each document is on one side, and that side follows from its bytes alone. */
final class ValidationSplitTest {
    private static final CharTokenizer MARKS = new CharTokenizer(true, true);

    @TempDir Path dir;

    @Test
    void theSideFollowsFromTheFirstBitsOfTheSha256() {
        // sha256("abc") begins with ba7816bf: 0.72839 of 2^64
        assertFalse(new ValidationSplit(0.7283).holds("abc"));
        assertTrue(new ValidationSplit(0.7285).holds("abc"));
        assertFalse(new ValidationSplit(0).holds("abc"));
    }

    @Test
    void theSplitTakesAboutItsPartOfTheDocuments() throws IOException {
        TrainingData data = load(documents(2000), 0.25);

        double held = data.validation().orElseThrow().documents();
        assertEquals(2000, held + data.train().documents());
        assertEquals(0.25, held / 2000, 0.04);
    }

    @Test
    void sidesStayWhenDocumentsAreReorderedOrAdded() throws IOException {
        List<String> documents = documents(300);
        Set<String> before = held(load(documents, 0.3));
        List<String> more = new ArrayList<>(documents);
        more.add("another");
        Collections.shuffle(more, new Random(5));

        Set<String> after = held(load(more, 0.3));

        after.remove("another");
        assertEquals(before, after);
    }

    @Test
    void copiesOfADocumentAreOnOneSide() throws IOException {
        List<String> documents = documents(100);
        documents.addAll(documents(100));

        TrainingData data = load(documents, 0.3);

        assertEquals(0, data.validation().orElseThrow().documents() % 2);
        assertEquals(0, data.train().documents() % 2);
        Set<String> both = held(data);
        both.retainAll(texts(data.train()));
        assertEquals(Set.of(), both);
    }

    @Test
    void theAnswerIsPartOfThePairThatIsHashed() {
        ValidationSplit split = new ValidationSplit(0.5);
        Set<Boolean> sides = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            sides.add(split.holds("prompt", "answer " + i));
        }

        assertEquals(2, sides.size());
    }

    @Test
    void runningTextIsSplitByBlocksOfWholeLines() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 4000; i++) {
            text.append("line ").append(i).append(" of a text\n");
        }
        Path file = Files.writeString(dir.resolve("a.txt"), text);

        TrainingData data = Packed.load(settings(file, DataFormat.TEXT, 0.4), MARKS);

        String train = all(data.train());
        String held = all(data.validation().orElseThrow());
        // what is dropped at an end is less than a sequence
        assertEquals(text.length(), train.length() + held.length(), 40);
        for (String document : (train + "$" + held).split("[$^]+")) {
            assertTrue(document.isEmpty() || document.startsWith("line "), document);
            assertTrue(text.indexOf(document) >= 0);
        }
        assertTrue(held.length() > DocumentReader.BLOCK / 2);
    }

    @Test
    void anEmptySideIsAnErrorThatSaysWhatToDo() throws IOException {
        Path file = write(documents(5));

        DataException e =
                assertThrows(
                        DataException.class,
                        () -> Packed.load(settings(file, DataFormat.JSONL, 1e-9), MARKS));

        assertEquals(
                file
                        + ", what `validation_split: 1.0E-9` keeps for validation: 0 tokens, less than"
                        + " one sequence of 2; raise it, lower `sequence_length`, or name files in"
                        + " `validation`",
                e.getMessage());
    }

    private static List<String> documents(int count) {
        List<String> documents = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            documents.add("document " + i);
        }
        return documents;
    }

    private Path write(List<String> documents) throws IOException {
        List<String> lines = documents.stream().map(d -> "{\"text\": \"" + d + "\"}").toList();
        return Files.write(dir.resolve("a.jsonl"), lines);
    }

    private TrainingData load(List<String> documents, double split) throws IOException {
        return Packed.load(settings(write(documents), DataFormat.JSONL, split), MARKS);
    }

    private static DataSettings settings(Path file, DataFormat format, double split) {
        return new DataSettings(
                List.of(file.toString()),
                List.of(),
                List.of(),
                format,
                format == DataFormat.TEXT ? 8 : 2,
                Packing.JOINED,
                false,
                split);
    }

    private static Set<String> held(TrainingData data) {
        return texts(data.validation().orElseThrow());
    }

    /** The whole documents of a data set. */
    private static Set<String> texts(PackedDataset data) {
        Set<String> texts = new TreeSet<>();
        String all = all(data);
        for (int from = all.indexOf('^'); from >= 0; from = all.indexOf('^', from + 1)) {
            int to = all.indexOf('$', from);
            // the closing mark of the last one may be left over
            texts.add(all.substring(from + 1, to > 0 ? to : all.length()));
        }
        return texts;
    }

    /** Ids of the sequences, without the marks that open sequences of running text. */
    private static String all(PackedDataset data) {
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < data.size(); i++) {
            Sequence sequence = data.get(i);
            for (int t = 0; t < sequence.ids().length; t++) {
                int id = sequence.ids()[t];
                boolean opens = id == CharTokenizer.BOS && sequence.labels()[t] < 0;
                if (!opens) {
                    all.append(
                            id == CharTokenizer.BOS
                                    ? '^'
                                    : id == CharTokenizer.EOS ? '$' : (char) id);
                }
            }
        }
        return all.toString();
    }
}
