package dev.tegu.checkpoint.pickle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that lie, and files that are something else: each is named in the message, soon. */
final class HostileTorchFileTest {
    private static final Duration SOON = Duration.ofSeconds(10);

    @TempDir Path dir;

    private static String refusal(Path path) {
        CheckpointException[] thrown = new CheckpointException[1];
        assertTimeout(
                SOON,
                () ->
                        thrown[0] =
                                assertThrows(
                                        CheckpointException.class,
                                        () -> TorchFile.open(path).close()));
        String message = thrown[0].getMessage();
        assertTrue(message.startsWith(path.getFileName() + ": "), message);
        assertFalse(message.contains("\n"), message);
        return message;
    }

    private Path archive(byte[] pickle) throws IOException {
        return TorchFileWriter.archive(
                dir.resolve("a.pt"), pickle, Map.of("archive/data/0", new byte[24]), false);
    }

    private static PickleWriter pickle() {
        return new PickleWriter(2);
    }

    private static PickleWriter tensor(
            String storageClass, String key, long elements, long offset, long[] shape, long... s) {
        return pickle().op('}').text("a").tensor(storageClass, key, elements, offset, shape, s);
    }

    @ParameterizedTest(name = "{0}.{1} in protocol {2}")
    @CsvSource({
        "os, system, 2",
        "os, system, 4",
        "posix, system, 2",
        "builtins, eval, 4",
        "torch, load, 2",
        "torch.nn.modules.linear, Linear, 2",
        "torch._utils, _rebuild_tensor_v2.__globals__, 4",
        "collections.OrderedDict, __class__, 2"
    })
    void aCallIsRefusedByItsNameAndNeverMade(String module, String name, int protocol)
            throws IOException {
        Path canary = dir.resolve("canary");
        byte[] pickle =
                new PickleWriter(protocol)
                        .global(module, name)
                        .text("touch " + canary)
                        .op(0x85, 'R')
                        .end();

        String message = refusal(archive(pickle));

        assertTrue(message.contains("`" + module + "." + name + "`"), message);
        assertTrue(message.contains("would run code; refused"), message);
        assertFalse(Files.exists(canary));
    }

    @Test
    void aCallOfTheOldestOpcodeIsRefusedByItsNameToo() throws IOException {
        byte[] pickle = pickle().op('(').text("true").ascii("ios\nsystem\n").end();

        assertTrue(refusal(archive(pickle)).contains("`os.system`"));
    }

    @Test
    void aNameCannotWriteLinesOrColoursOfItsOwn() throws IOException {
        String name = "x\u001b[31m\nerror: all is well\u0085" + "y".repeat(5000);
        byte[] call = new PickleWriter(4).ascii("\u008c").end();
        PickleWriter global = new PickleWriter(2).text("os").text(name).op(0x93);
        PickleWriter tensor = pickle().op('}').text(name);
        tensor.tensor("FloatStorage", "0", 6, 0, new long[] {6}, new long[] {1}).op('s');
        PickleWriter twice = pickle().op('}').text(name).op('N', 's').text(name).op('N', 's');

        for (byte[] pickle : List.of(call, global.end(), tensor.end(), twice.end())) {
            String message = refusal(archive(pickle));
            assertTrue(message.chars().noneMatch(c -> c < ' '), message);
            assertTrue(message.length() < 700, message);
        }
    }

    private static TorchFileWriter small() {
        TorchFileWriter writer = TorchFileWriter.wrapped("state_dict").asParameters();
        return writer.view("a", DType.BF16, 1, new long[] {2, 2}, new long[] {1, 2}, 1, 2, 3, 4, 5);
    }

    @Test
    void noChangedByteDoesMoreThanChangeAValueOrEndInARefusal() throws IOException {
        byte[] plain = Files.readAllBytes(small().write(dir.resolve("plain.pt")));
        byte[] packed = Files.readAllBytes(small().deflated().write(dir.resolve("packed.pt")));
        int refused = 0;
        int read = 0;

        for (byte[] whole : List.of(plain, packed)) {
            for (int at = 0; at < whole.length; at++) {
                byte[] changed = whole.clone();
                changed[at] ^= (byte) (at % 3 == 0 ? 0xff : 1 << at % 8);
                Path path = Files.write(dir.resolve("changed.pt"), changed);
                try (TorchFile file = TorchFile.open(path)) {
                    for (TorchTensor tensor : file.tensors().values()) {
                        assertEquals(tensor.byteLength(), tensor.bytes().remaining());
                    }
                    read++;
                } catch (CheckpointException e) {
                    assertTrue(e.getMessage().startsWith("changed.pt: "), e.getMessage());
                    refused++;
                }
            }
        }

        assertTrue(refused > 500, refused + " refused");
        assertTrue(read > 100, read + " read");
    }

    static Stream<Arguments> brokenPickles() {
        long[] row = {6};
        byte[] deep = new byte[900_000];
        Arrays.fill(deep, (byte) ']');
        byte[] marks = new byte[8_000_000];
        Arrays.fill(marks, (byte) '(');
        return Stream.of(
                arguments("an opcode out of bounds", pickle().op('}', 0x81).end(), "0x81"),
                arguments("nothing at all", new byte[0], "its end comes too early"),
                arguments("no end", new byte[] {(byte) 0x80, 2, '}'}, "end comes too early"),
                arguments("a newer protocol", pickle().op(0x80, 9, '}').end(), "protocol 9"),
                arguments("nothing to end with", pickle().end(), "a value is missing"),
                arguments("two values", pickle().op('}', '}').end(), "left over"),
                arguments("bytes after the end", pickle().op('}', '.').end(), "left over"),
                arguments("an unset memo", pickle().op('h', 7).end(), "memo 7"),
                arguments("a missing mark", pickle().op('}', 'u').end(), "a mark is missing"),
                arguments("items of a number", pickle().op('K', 1, '(', 'u').end(), "no dict"),
                arguments("items of a number", pickle().op('K', 1, '(', 'e').end(), "no list"),
                arguments(
                        "a key twice",
                        pickle().op('}').text("a").op('N', 's').text("a").op('N', 's').end(),
                        "`a` stands twice"),
                arguments(
                        "a key that holds itself",
                        pickle().op('}', ']', 'q', 0, 'h', 0, 'a', 'N', 's').end(),
                        "a key is neither"),
                arguments(
                        "text of 2 GiB",
                        pickle().op('X').int32(Integer.MAX_VALUE).end(),
                        "text of 2147483647 bytes"),
                arguments(
                        "text of a negative length",
                        pickle().op('X').int32(-1).end(),
                        "a count of 4294967295"),
                arguments(
                        "an integer of 1 GiB",
                        pickle().op(0x8b).int32(1 << 30).end(),
                        "an integer of 1073741824 bytes"),
                arguments(
                        "a frame of 2^62 bytes",
                        pickle().op(0x95, 0, 0, 0, 0, 0, 0, 0, 0x40).end(),
                        "a frame of"),
                arguments("lists without end", deep, "its end comes too early"),
                arguments("more operations than any model", marks, "more than 1000000"),
                arguments(
                        "a call of a dict",
                        pickle().op('}', ')', 'R').end(),
                        "what is no function"),
                arguments(
                        "attributes of a tensor",
                        tensor("FloatStorage", "0", 6, 0, row, 1).op('}', 'b').end(),
                        "attributes are set"),
                arguments(
                        "a lone tensor",
                        pickle().tensor("FloatStorage", "0", 6, 0, row, new long[] {1}).end(),
                        "one tensor"),
                arguments("a list", pickle().op(']').end(), "no dict"),
                arguments(
                        "a missing storage",
                        tensor("FloatStorage", "../0", 6, 0, row, 1).op('s').end(),
                        "`archive/data/../0` is missing"),
                arguments(
                        "a storage of another size",
                        tensor("HalfStorage", "0", 6, 0, row, 1).op('s').end(),
                        "should hold 6 elements of F16, it has 24 bytes"),
                arguments(
                        "a storage of 2^62 elements",
                        tensor("FloatStorage", "0", 1L << 62, 0, row, 1).op('s').end(),
                        "should hold 4611686018427387904 elements"),
                arguments(
                        "a storage of no known type",
                        pickle().op('(').text("storage").text("os").text("0").op('t', 'Q').end(),
                        "should be a storage"),
                arguments(
                        "a tensor beyond its storage",
                        tensor("FloatStorage", "0", 6, 1, row, 1).op('s').end(),
                        "needs 7 elements of `archive/data/0`, which has 6"),
                arguments(
                        "strides beyond the storage",
                        tensor("FloatStorage", "0", 6, 0, new long[] {2, 2}, 5, 1).op('s').end(),
                        "needs 7 elements"),
                arguments(
                        "a negative offset",
                        tensor("FloatStorage", "0", 6, -1, row, 1).op('s').end(),
                        "has stride"),
                arguments(
                        "a negative size",
                        tensor("FloatStorage", "0", 6, 0, new long[] {-1}, 1).op('s').end(),
                        "something else than counts"),
                arguments(
                        "more elements than 63 bits count",
                        tensor("FloatStorage", "0", 6, 0, new long[] {1L << 32, 1L << 32}, 0, 0)
                                .op('s')
                                .end(),
                        "too many elements"),
                arguments(
                        "one number a trillion times",
                        tensor("FloatStorage", "0", 6, 0, new long[] {1L << 40}, 0).op('s').end(),
                        "repeats elements"),
                arguments(
                        "65 dimensions",
                        tensor("FloatStorage", "0", 6, 0, new long[65], new long[65]).op('s').end(),
                        "at most 64"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenPickles")
    void whatIsWrongWithAPickleIsNamed(String name, byte[] pickle, String expected)
            throws IOException {
        String message = refusal(archive(pickle));

        assertTrue(message.contains(expected), message);
    }

    @Test
    void nothingIsAllocatedForATensorThatIsNotThere() throws IOException {
        // 1 MiB of zeros in 1 KiB says that it is 1 GiB
        Path path =
                TorchFileWriter.flat()
                        .put("a", DType.F32, new long[] {1 << 18}, new float[1 << 18])
                        .deflated()
                        .write(dir.resolve("a.pt"));
        byte[] bytes = Files.readAllBytes(path);
        int entry = lastIndexOf(bytes, "archive/data/0") - 46;
        bytes[entry + 27] = 0x40;
        Files.write(path, bytes);

        assertTrue(refusal(path).contains("`archive/data/0` would unpack from"));
    }

    @Test
    void aStorageThatUnpacksToLessIsNoticedWhenItIsRead() throws IOException {
        Path path =
                TorchFileWriter.flat()
                        .put("a", DType.F32, new long[] {3}, 1, 2, 3)
                        .deflated()
                        .write(dir.resolve("a.pt"));
        byte[] bytes = Files.readAllBytes(path);
        int header = indexOf(bytes, "archive/data/0") - 30;
        int data = header + 30 + bytes[header + 26] + bytes[header + 28];
        // a stored block of no bytes that is the last one
        System.arraycopy(new byte[] {1, 0, 0, -1, -1}, 0, bytes, data, 5);
        Files.write(path, bytes);

        try (TorchFile file = TorchFile.open(path)) {
            CheckpointException e =
                    assertThrows(CheckpointException.class, () -> file.tensor("a").bytes());
            assertTrue(e.getMessage().contains("fewer than 12 bytes"), e.getMessage());
        }
    }

    static Stream<Arguments> damagedDirectories() {
        // places within the directory's record of `archive/data/0`, and what they become
        return Stream.of(
                arguments("encrypted", 8, 1, "is encrypted"),
                arguments("packed by bzip2", 10, 12, "is packed by method 12"),
                arguments("two sizes", 24, 5, "has two sizes"),
                arguments("outside of the file", 45, 0x7f, "lies outside of the file"),
                arguments("no record", 0, 'X', "its directory is damaged"),
                arguments("over its neighbour", 42, 0, "overlaps the entry after it"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damagedDirectories")
    void whatIsWrongWithAnArchiveIsNamed(String name, int at, int value, String expected)
            throws IOException {
        Path path =
                TorchFileWriter.flat()
                        .put("a", DType.F32, new long[] {300}, new float[300])
                        .write(dir.resolve("a.pt"));
        byte[] bytes = Files.readAllBytes(path);
        int entry = lastIndexOf(bytes, "archive/data/0") - 46;
        bytes[entry + at] = (byte) value;
        if (at == 42) {
            bytes[entry + 43] = 0;
        }
        Files.write(path, bytes);

        String message = refusal(path);

        assertTrue(message.contains(expected), message);
    }

    @Test
    void aFileCutOffAnywhereIsRefused() throws IOException {
        Path path =
                TorchFileWriter.flat()
                        .put("a", DType.F32, new long[] {4}, 1, 2, 3, 4)
                        .write(dir.resolve("a.pt"));
        byte[] whole = Files.readAllBytes(path);

        for (int length = 0; length < whole.length; length++) {
            Path cut = dir.resolve("cut.pt");
            Files.write(cut, Arrays.copyOf(whole, length));
            CheckpointException e =
                    assertThrows(
                            CheckpointException.class,
                            () -> TorchFile.open(cut).close(),
                            "at " + length);
            assertTrue(e.getMessage().startsWith("cut.pt: "), e.getMessage());
        }
    }

    @Test
    void aDirectoryThatClaimsTheWholeFileOfTerabytesIsRefused() throws IOException {
        Path path = dir.resolve("sparse.pt");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.write(new byte[] {'P', 'K', 3, 4});
            file.setLength(200L << 20);
            file.seek(file.length());
            byte[] end = new byte[22];
            System.arraycopy(new byte[] {'P', 'K', 5, 6}, 0, end, 0, 4);
            end[15] = 0x0b;
            file.write(end);
        }

        assertTrue(refusal(path).contains("the limit is 8 MiB"));
    }

    static Stream<Arguments> otherFiles() {
        byte[] tar = new byte[1024];
        System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
        byte[] old = {
            (byte) 0x80,
            2,
            (byte) 0x8a,
            10,
            0x6c,
            (byte) 0xfc,
            (byte) 0x9c,
            0x46,
            (byte) 0xf9,
            0x20,
            0x6a,
            (byte) 0xa8,
            0x50,
            0x19,
            '.',
            (byte) 0x80,
            2
        };
        return Stream.of(
                arguments("PyTorch before 1.6", old, "before 1.6"),
                arguments("a plain pickle", pickle().op('}').end(), "is a Python pickle"),
                arguments("a tar", tar, "tar archive"),
                arguments("safetensors", text("\4\0\0\0\0\0\0\0{}  "), "safetensors file"),
                arguments("a web page", text("<!DOCTYPE html>"), "HTML page"),
                arguments("a pointer", text("version https://git-lfs.g"), "Git LFS pointer"),
                arguments("GGUF", text("GGUF\3\0\0\0"), "GGUF"),
                arguments("nothing", new byte[0], "empty"),
                arguments("noise", text("hello"), "does not begin as a zip archive"));
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("otherFiles")
    void otherFilesAreCalledWhatTheyAre(String name, byte[] bytes, String expected)
            throws IOException {
        Path path = Files.write(dir.resolve("a.pt"), bytes);

        String message = refusal(path);

        assertTrue(message.contains("not a file of torch.save: "), message);
        assertTrue(message.contains(expected), message);
    }

    @Test
    void otherArchivesAreCalledWhatTheyAre() throws IOException {
        byte[] pickle = pickle().op('}').end();
        Path path = dir.resolve("a.zip");
        Map<String, String> expected = new LinkedHashMap<>();
        expected.put("archive/readme.txt", "no `NAME/data.pkl`");
        expected.put("other/data.pkl", "more than one `NAME/data.pkl`");
        expected.put("archive/constants.pkl", "a TorchScript program");
        expected.put("archive/byteorder", "byte order");
        expected.put("archive/version", "the archive's version");
        for (Map.Entry<String, String> test : expected.entrySet()) {
            Map<String, byte[]> entries = new LinkedHashMap<>();
            if (!test.getKey().endsWith("readme.txt")) {
                entries.put("archive/data.pkl", pickle);
                entries.put("archive/version", text("3"));
            }
            entries.put(test.getKey(), text("big"));
            TorchFileWriter.zip(path, entries, false);

            assertTrue(refusal(path).contains(test.getValue()), refusal(path));
        }
    }

    @Test
    void missingFilesAndFoldersAreNamedByTheirPath() {
        for (Path path : List.of(dir, dir.resolve("none.pt"))) {
            CheckpointException e =
                    assertThrows(CheckpointException.class, () -> TorchFile.open(path).close());
            assertEquals(0, e.getMessage().indexOf(path + ": "), e.getMessage());
        }
    }

    private static int indexOf(byte[] bytes, String text) {
        return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
    }

    private static int lastIndexOf(byte[] bytes, String text) {
        return new String(bytes, StandardCharsets.ISO_8859_1).lastIndexOf(text);
    }
}
