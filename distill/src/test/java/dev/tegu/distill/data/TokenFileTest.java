package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The file that tokens are kept in: its bytes, what is refused, and what is reused. */
final class TokenFileTest {
    private static final CharTokenizer MARKS = new CharTokenizer(true, true);
    private static final byte[] IDENTITY = new byte[TokenFile.DIGEST];

    @TempDir Path dir;

    private Path written() throws IOException {
        Path file = dir.resolve("a.tokens");
        try (TokenFileWriter writer = new TokenFileWriter(file)) {
            writer.append(Document.of(new int[] {7, 8, 9}, 2));
            writer.append(Document.more(new int[] {300_000}));
            writer.append(Document.of(new int[] {5}, 0));
            writer.finish(IDENTITY);
        }
        return file;
    }

    @Test
    void theFileIsLaidOutAsItsClassSays() throws IOException {
        ByteBuffer bytes =
                ByteBuffer.wrap(Files.readAllBytes(written())).order(ByteOrder.LITTLE_ENDIAN);

        assertEquals(96 + 5 * 4, bytes.limit());
        assertEquals(0x014b4f5455474554L, bytes.getLong(0)); // "TEGUTOK" and 1
        assertEquals(5, bytes.getLong(8));
        assertEquals(2, bytes.getLong(16));
        assertEquals(2, bytes.getLong(24));
        assertEquals(0xC000_0000 | 7, bytes.getInt(96));
        assertEquals(0x8000_0000 | 8, bytes.getInt(100));
        assertEquals(9, bytes.getInt(104));
        assertEquals(300_000, bytes.getInt(108));
        assertEquals(0x4000_0000 | 5, bytes.getInt(112));
    }

    @Test
    void whatWasWrittenIsRead() throws IOException {
        TokenFile file = TokenFile.open(written());

        int[] tokens = new int[3];
        file.read(2, tokens);

        assertArrayEquals(new int[] {9, 300_000, 5 | Token.BEGINS}, tokens);
        assertEquals(5, file.size());
        assertEquals(2, file.documents());
        assertEquals(2, file.notLearnt());
        assertThrows(IndexOutOfBoundsException.class, () -> file.read(3, tokens));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "foreign, not a token file",
        "empty, not a token file",
        "header, cut short or lengthened",
        "short, 'cut short or lengthened: its header tells of 5 tokens, and 112 bytes are there'",
        "long, cut short or lengthened",
        "version, 'a token file of version 2, expected version 1'",
        "count, cut short or lengthened",
        "changed, its tokens have changed since it was written"
    })
    void aFileThatIsNotWholeIsANamedError(String fault, String expected) throws IOException {
        Path file = written();
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, damaged(bytes, fault));

        DataException e = assertThrows(DataException.class, () -> TokenFile.open(file));

        assertTrue(e.getMessage().startsWith(file + ": " + expected), e.getMessage());
        assertTrue(TokenFile.find(file, IDENTITY).isEmpty());
    }

    private static byte[] damaged(byte[] bytes, String fault) {
        byte[] changed = bytes.clone();
        switch (fault) {
            case "foreign" -> changed[0] = 'X';
            case "version" -> changed[7] = 2;
            case "count" -> changed[15] = 0x7F;
            case "changed" -> changed[100] ^= 1;
            default -> {}
        }
        return switch (fault) {
            case "empty" -> new byte[0];
            case "header" -> Arrays.copyOf(bytes, 40);
            case "short" -> Arrays.copyOf(bytes, bytes.length - 4);
            case "long" -> Arrays.copyOf(bytes, bytes.length + 4);
            default -> changed;
        };
    }

    @Test
    void aWriterThatIsNotFinishedLeavesNothing() throws IOException {
        try (TokenFileWriter writer = new TokenFileWriter(dir.resolve("a.tokens"))) {
            writer.append(Document.of(new int[] {7}, 0));
        }

        try (Stream<Path> files = Files.list(dir)) {
            assertEquals(List.of(), files.toList());
        }
    }

    @Test
    void whatAKilledProcessLeftIsRemovedAndWhatARunningOneWritesIsNot() throws IOException {
        Path killed = Files.writeString(dir.resolve(".a.tokens.999999999999"), "left");
        Path running =
                Files.writeString(
                        dir.resolve(
                                ".a.tokens."
                                        + ProcessHandle.current().parent().orElseThrow().pid()),
                        "not yet");

        written();

        assertFalse(Files.exists(killed));
        assertTrue(Files.exists(running));
    }

    @Test
    void rowsAreReadAcrossTheBordersOfTheirMappings() throws IOException {
        Path file = written();
        try (FileChannel channel = FileChannel.open(file)) {
            MappedTokens tokens = new MappedTokens(channel, TokenFile.HEADER, 5, 2);

            int[] read = new int[4];
            tokens.read(1, read);

            assertArrayEquals(new int[] {8 | Token.NOT_LEARNT, 9, 300_000, 5 | Token.BEGINS}, read);
        }
    }

    @Test
    void tokensBeyondTwoToThe31AreReached() throws IOException {
        Path file = dir.resolve("sparse");
        long far = (1L << 31) + 5; // in tokens: 8 GiB into a file that is mostly a hole
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.SPARSE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            ByteBuffer two = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            channel.write(two.putInt(11).putInt(12).flip(), TokenFile.HEADER + 4 * far);
            MappedTokens tokens =
                    new MappedTokens(channel, TokenFile.HEADER, far + 2, MappedTokens.PART);

            int[] read = new int[3];
            tokens.read(far - 1, read);

            assertArrayEquals(new int[] {0, 11, 12}, read);
        }
    }

    @Test
    void theSameInputsGiveTheSameBytesAndDigests() throws IOException {
        Path text = Files.writeString(dir.resolve("a.txt"), "abcdefgh".repeat(20));

        TrainingData first = folder("first").load(settings(text, 0));
        TrainingData second = folder("second").load(settings(text, 0));

        assertArrayEquals(
                Files.readAllBytes(dir.resolve("first/train.tokens")),
                Files.readAllBytes(dir.resolve("second/train.tokens")));
        assertEquals(first.train().digest(), second.train().digest());
    }

    @Test
    void theDigestTellsTokensAndTheirCuttingApart() throws IOException {
        Path text = Files.writeString(dir.resolve("a.txt"), "abcdefgh".repeat(20));
        String digest = folder("a").load(settings(text, 0)).train().digest();
        String longer = Packed.load(List.of(text), DataFormat.TEXT, 9, MARKS).digest();
        String plain = Packed.load(List.of(text), DataFormat.TEXT, 8, MARKS).digest();
        Files.writeString(text, "abcdefgi".repeat(20));
        String changed = folder("b").load(settings(text, 0)).train().digest();

        assertEquals(4, Stream.of(digest, longer, plain, changed).distinct().count());
        assertEquals(64, digest.length());
    }

    @Test
    void aWholeFileOfTheSameDataIsReusedAndNoOther() throws IOException {
        Path text = Files.writeString(dir.resolve("a.txt"), "abcdefgh".repeat(20));
        Path tokens = dir.resolve("data/train.tokens");
        folder("data").load(settings(text, 0));
        FileTime old = FileTime.fromMillis(0);
        Files.setLastModifiedTime(tokens, old);

        folder("data").load(settings(text, 0));
        assertEquals(old, Files.getLastModifiedTime(tokens));

        byte[] whole = Files.readAllBytes(tokens);
        Files.write(tokens, Arrays.copyOf(whole, 100));
        folder("data").load(settings(text, 0));
        assertArrayEquals(whole, Files.readAllBytes(tokens));

        Files.writeString(text, "abcdefgi".repeat(20));
        folder("data").load(settings(text, 0));
        assertFalse(Arrays.equals(whole, Files.readAllBytes(tokens)));
    }

    @Test
    void anotherTokenizerOrSplitIsOtherData() throws IOException {
        Path text = Files.writeString(dir.resolve("a.txt"), "abcdefgh\n".repeat(9000));
        Path tokens = dir.resolve("data/train.tokens");
        folder("data").load(settings(text, 0));
        byte[] first = Files.readAllBytes(tokens);

        new TokenFolder(dir.resolve("data"), MARKS, "another", () -> null).load(settings(text, 0));
        byte[] second = Files.readAllBytes(tokens);
        folder("data").load(settings(text, 0.5));
        byte[] third = Files.readAllBytes(tokens);

        assertFalse(Arrays.equals(first, second));
        assertFalse(Arrays.equals(second, third));
    }

    private TokenFolder folder(String name) {
        return Packed.folder(dir.resolve(name), MARKS);
    }

    private static DataSettings settings(Path file, double split) {
        return new DataSettings(
                List.of(file.toString()),
                List.of(),
                List.of(),
                DataFormat.TEXT,
                8,
                Packing.JOINED,
                false,
                split);
    }
}
