package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.tegu.checkpoint.pickle.PickleWriter;
import dev.tegu.checkpoint.pickle.TorchFileWriter;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Model directories made to do harm: each is refused by name, in less than a second of the
 * processor's time (and soon by the clock, which other programs slow down) and with less than 100
 * MB of memory asked for in all.
 *
 * <p>The memory is what the thread allocates on the heap, garbage included, and what direct buffers
 * grow by: more than ever is in use at once.
 */
final class HostileFilesTest {
    private static final long MAX_BYTES = 100_000_000;
    private static final long MAX_NANOS = 1_000_000_000;
    private static final Duration SOON = Duration.ofSeconds(20);

    private static final String SAFE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String BIN = "pytorch_model.bin";

    @TempDir Path temp;

    /** Makes one hostile directory, which has a config.json already. */
    @FunctionalInterface
    private interface Attack {
        void prepare(Path dir) throws Exception;
    }

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long directBytes() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    private static byte[] header(long length, String json, int dataBytes) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + text.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(text)
                .array();
    }

    /** A file that is whole but for what its header says. */
    private static Attack safetensors(String json, int dataBytes) {
        byte[] bytes = header(json.getBytes(StandardCharsets.UTF_8).length, json, dataBytes);
        return dir -> Files.write(dir.resolve(SAFE), bytes);
    }

    private static String tensor(String name, String dtype, String shape, String offsets) {
        return ("\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape)
                + (",\"data_offsets\":" + offsets + "}");
    }

    private static Attack oneTensor(String dtype, String shape, String offsets) {
        return safetensors("{" + tensor("a", dtype, shape, offsets) + "}", 4);
    }

    private static Attack config(String text) {
        return dir -> Files.writeString(dir.resolve("config.json"), text);
    }

    private static Attack index(String map) {
        return dir -> {
            shard(dir, "one.safetensors", "a");
            shard(dir, "two.safetensors", "b");
            Files.writeString(dir.resolve(INDEX), "{\"weight_map\":{" + map + "}}");
        };
    }

    private static void shard(Path dir, String file, String tensor) throws IOException {
        SafetensorsWriter.write(
                dir.resolve(file),
                Map.of(tensor, SafetensorsWriterTest.bytes(DType.U8, List.of(1L), 1)));
    }

    private static Attack pickle(PickleWriter pickle) {
        return pickle(pickle.end(), false);
    }

    private static Attack pickle(byte[] pickle, boolean deflated) {
        return dir ->
                TorchFileWriter.archive(
                        dir.resolve(BIN), pickle, Map.of("archive/data/0", new byte[24]), deflated);
    }

    private static PickleWriter pickle() {
        return new PickleWriter(2);
    }

    private static PickleWriter torchTensor(long[] shape, long... strides) {
        return pickle().op('}').text("a").tensor("FloatStorage", "0", 6, 0, shape, strides).op('s');
    }

    private static byte[] filled(int size, char c) {
        byte[] bytes = new byte[size];
        Arrays.fill(bytes, (byte) c);
        return bytes;
    }

    /** Each attack with what its message must say. */
    private static Map<String, Map.Entry<String, Attack>> attacks() {
        Map<String, Map.Entry<String, Attack>> all = new LinkedHashMap<>();
        headers(all);
        largeHeaders(all);
        json(all);
        indexes(all);
        places(all);
        pickles(all);
        archives(all);
        return all;
    }

    private static void add(
            Map<String, Map.Entry<String, Attack>> all, String name, String says, Attack attack) {
        assertEquals(null, all.put(name, Map.entry(says, attack)), name);
    }

    private static void headers(Map<String, Map.Entry<String, Attack>> all) {
        String a = tensor("a", "U8", "[4]", "[0,4]");
        add(all, "an empty file", "the file is empty", dir -> Files.createFile(dir.resolve(SAFE)));
        add(
                all,
                "a header of 2^62 bytes",
                "the header would be 4611686018427387904 bytes long",
                dir -> Files.write(dir.resolve(SAFE), header(1L << 62, "{}", 8)));
        add(
                all,
                "a header of -1 bytes",
                "the header would be 18446744073709551615 bytes long",
                dir -> Files.write(dir.resolve(SAFE), header(-1, "{}", 8)));
        add(
                all,
                "a header longer than the file",
                "the file is cut off",
                dir -> Files.write(dir.resolve(SAFE), header(99_000_000, "{}", 8)));
        add(
                all,
                "overlapping tensors",
                "tensors `a` and `b` overlap",
                safetensors("{" + a + "," + tensor("b", "U8", "[4]", "[2,6]") + "}", 6));
        add(
                all,
                "two names for the same bytes",
                "overlap",
                safetensors("{" + a + "," + a.replace("\"a\"", "\"b\"") + "}", 4));
        add(
                all,
                "bytes that belong to no tensor",
                "2 bytes before the end of the file belong to no tensor",
                safetensors("{" + a + "}", 6));
        add(all, "a negative shape", "found -1", oneTensor("U8", "[-1]", "[0,4]"));
        add(
                all,
                "two negative shapes whose product is right",
                "found -2",
                oneTensor("U8", "[-2,-2]", "[0,4]"));
        add(all, "a negative offset", "found -4", oneTensor("U8", "[4]", "[-4,0]"));
        add(
                all,
                "a shape whose product is 0 in 64 bits",
                "more bytes than 64 bits can count",
                oneTensor("F32", "[4294967296,4294967296]", "[0,0]"));
        add(
                all,
                "a size beyond 64 bits",
                "not valid JSON",
                oneTensor("U8", "[99999999999999999999]", "[0,4]"));
        add(all, "a size that is NaN", "not valid JSON", oneTensor("U8", "[NaN]", "[0,4]"));
        add(all, "a size that is a fraction", "found `4.0`", oneTensor("U8", "[4.0]", "[0,4]"));
        add(all, "a size of 1e400", "found `1e400`", oneTensor("U8", "[1e400]", "[0,4]"));
        add(
                all,
                "a thousand dimensions",
                "more than 64 numbers",
                oneTensor("U8", "[1" + ",1".repeat(999) + "]", "[0,4]"));
        add(
                all,
                "offsets outside of the file",
                "lie outside of the file's 4 data bytes",
                oneTensor("U8", "[9000000000]", "[0,9000000000]"));
        add(all, "offsets that run backwards", "lie outside", oneTensor("U8", "[4]", "[4,0]"));
        add(all, "an unknown dtype", "unknown dtype `C64`", oneTensor("C64", "[1]", "[0,8]"));
        add(
                all,
                "an eight-bit float",
                "`F8_E5M2` is a quantized type",
                oneTensor("F8_E5M2", "[4]", "[0,4]"));
        add(all, "one name twice", "Duplicate", safetensors("{" + a + "," + a + "}", 4));
        add(
                all,
                "a name with line ends and colours",
                "tensor `x?[31m?error: all is well`",
                safetensors(
                        "{" + tensor("x\\u001b[31m\\nerror: all is well", "?", "[]", "[]") + "}",
                        0));
    }

    private static void largeHeaders(Map<String, Map.Entry<String, Attack>> all) {
        add(
                all,
                "a header of 100 MB of spaces",
                "not valid JSON",
                dir -> writeHeader(dir, "{\"a\":", " ", 99_999_000, ""));
        add(
                all,
                "a header of 90 MB of one text",
                "not valid JSON",
                dir -> writeHeader(dir, "{\"a\":{\"dtype\":\"", "x", 90_000_000, "\"}}"));
        add(
                all,
                "a header of 90 MB of one name",
                "not valid JSON",
                dir -> writeHeader(dir, "{\"", "x", 90_000_000, "\":1}"));
        add(
                all,
                "a header of millions of tensors",
                "lists more than 50000 tensors",
                HostileFilesTest::writeManyTensors);
    }

    private static void json(Map<String, Map.Entry<String, Attack>> all) {
        add(
                all,
                "a header a million levels deep",
                "expected an object",
                safetensors("{\"a\":" + "[".repeat(1_000_000) + "}", 0));
        add(
                all,
                "a configuration a million levels deep",
                "config.json: not valid JSON",
                config("{\"a\":" + "[".repeat(1_000_000)));
        add(
                all,
                "a configuration of three gigabytes",
                "config.json: has 3221225472 bytes, the limit is",
                dir -> sparse(dir.resolve("config.json"), 3L << 30));
        add(
                all,
                "a configuration of a million empty objects",
                "config.json: expected a JSON object",
                config("[{}" + ",{}".repeat(650_000) + "]"));
        add(
                all,
                "a configuration with one key twice",
                "Duplicate",
                config("{\"model_type\":\"llama\",\"model_type\":\"os\"}"));
        add(
                all,
                "a configuration that is a Git LFS pointer",
                "begins with a Git LFS pointer",
                config("version https://git-lfs.github.com/spec/v1\n"));
        add(
                all,
                "a configuration that is a web page",
                "is an HTML page",
                config("<!DOCTYPE html><html></html>"));
        add(
                all,
                "a configuration that is no text",
                "not UTF-8",
                dir -> Files.write(dir.resolve("config.json"), filled(100, '\u00ff')));
    }

    private static void indexes(Map<String, Map.Entry<String, Attack>> all) {
        String one = "\"a\":\"one.safetensors\"";
        add(
                all,
                "an index that leads out of the folder",
                "paths are not followed",
                index("\"a\":\"../../etc/x.safetensors\""));
        add(
                all,
                "an index with an absolute path",
                "paths are not followed",
                index("\"a\":\"/etc/x.safetensors\""));
        add(
                all,
                "an index with a path of Windows",
                "paths are not followed",
                index("\"a\":\"C:\\\\x.safetensors\""));
        add(
                all,
                "an index with a zero in a name",
                "paths are not followed",
                index("\"a\":\"x\\u0000.safetensors\""));
        add(
                all,
                "an index that names a missing shard",
                "shard `three.safetensors` named by " + INDEX + " is missing",
                index(one + ",\"b\":\"three.safetensors\""));
        add(
                all,
                "an index with a tensor that is nowhere",
                "`c` is in the index and in no shard",
                index(one + ",\"b\":\"two.safetensors\",\"c\":\"one.safetensors\""));
        add(
                all,
                "an index that leaves a tensor out",
                "`b` is in b.safetensors and not in the index",
                dir -> {
                    index(one).prepare(dir);
                    shard(dir, "b.safetensors", "b");
                    Files.writeString(
                            dir.resolve(INDEX), "{\"weight_map\":{\"c\":\"b.safetensors\"}}");
                });
        add(
                all,
                "a tensor in two shards",
                "tensor `a` is in two shards",
                dir -> {
                    shard(dir, "one.safetensors", "a");
                    shard(dir, "two.safetensors", "a");
                    Files.writeString(
                            dir.resolve(INDEX),
                            "{\"weight_map\":{" + one + ",\"b\":\"two.safetensors\"}}");
                });
        add(all, "an index with one tensor twice", "Duplicate", index(one + "," + one));
        add(
                all,
                "an index of millions of tensors",
                "lists more than 200000 tensors",
                HostileFilesTest::writeManyIndexed);
    }

    private static void places(Map<String, Map.Entry<String, Attack>> all) {
        add(
                all,
                "a folder where the weights should be",
                SAFE + ": is a folder",
                dir -> Files.createDirectory(dir.resolve(SAFE)));
        add(
                all,
                "a folder where the configuration should be",
                "config.json: is a folder",
                dir -> {
                    Files.delete(dir.resolve("config.json"));
                    Files.createDirectory(dir.resolve("config.json"));
                });
        add(
                all,
                "a link to nothing",
                SAFE + ": is a link to a file that is not there",
                dir -> Files.createSymbolicLink(dir.resolve(SAFE), dir.resolve("none")));
        add(
                all,
                "a link to a device without an end",
                "is a pipe, socket or device",
                dir -> Files.createSymbolicLink(dir.resolve(SAFE), Path.of("/dev/zero")));
        add(
                all,
                "a pipe that nobody writes to",
                "is a pipe, socket or device",
                dir -> {
                    String pipe = dir.resolve(BIN).toString();
                    assertEquals(0, new ProcessBuilder("mkfifo", pipe).start().waitFor());
                });
    }

    private static void pickles(Map<String, Map.Entry<String, Attack>> all) {
        add(
                all,
                "a pickle that starts a program",
                "`os.system` in data.pkl would run code; refused",
                pickle(pickle().global("os", "system").text("touch /tmp/owned").op(0x85, 'R')));
        add(
                all,
                "a pickle that evaluates text",
                "`builtins.eval` in data.pkl would run code",
                pickle(pickle().global("builtins", "eval").text("1").op(0x85, 'R')));
        add(
                all,
                "an eight-bit float in a pickle",
                "a type that only newer PyTorch has, such as an eight-bit float",
                pickle(pickle().op('}').text("a").global("torch._utils", "_rebuild_tensor_v3")));
        add(
                all,
                "a pickle alone, without its archive",
                "is a Python pickle, which is not read since it can run any code",
                dir ->
                        Files.write(
                                dir.resolve(BIN),
                                pickle().global("os", "system").text("x").op(0x85, 'R').end()));
        add(
                all,
                "a pickle of millions of dicts",
                "more than 1000000 operations",
                pickle(filled(12_000_000, '}'), true));
        add(
                all,
                "a pickle of millions of lists in lists",
                "more than 1000000 operations",
                pickle(filled(12_000_000, ']'), false));
        add(
                all,
                "a text of two gigabytes in a pickle",
                "text of 2147483647 bytes",
                pickle(pickle().op('X', 0xff, 0xff, 0xff, 0x7f)));
        add(
                all,
                "a tensor beyond its storage",
                "needs 7000000000 elements",
                pickle(torchTensor(new long[] {7_000_000_000L}, 1)));
        add(
                all,
                "one number a trillion times",
                "repeats elements",
                pickle(torchTensor(new long[] {1L << 40}, 0)));
        add(
                all,
                "a tensor of 2^64 elements",
                "too many elements",
                pickle(torchTensor(new long[] {1L << 32, 1L << 32}, 0, 0)));
    }

    private static void archives(Map<String, Map.Entry<String, Attack>> all) {
        add(
                all,
                "a zip bomb in place of the pickle",
                "data.pkl has 50000000 bytes, the limit is 16 MiB",
                pickle(new byte[50_000_000], true));
        add(
                all,
                "a zip archive in a zip archive",
                "no `NAME/data.pkl`",
                dir -> {
                    pickle(pickle().op('}')).prepare(dir);
                    byte[] inner = Files.readAllBytes(dir.resolve(BIN));
                    TorchFileWriter.zip(
                            dir.resolve(BIN), Map.of("archive/model.zip", inner), false);
                });
        add(
                all,
                "an archive of a hundred thousand files",
                "a damaged zip archive: its directory has",
                dir -> {
                    Map<String, byte[]> entries = new LinkedHashMap<>();
                    for (int i = 0; i < 100_000; i++) {
                        entries.put("archive/data/" + "0".repeat(40) + i, new byte[0]);
                    }
                    TorchFileWriter.archive(
                            dir.resolve(BIN), pickle().op('}').end(), entries, false);
                });
        add(
                all,
                "an archive cut off before its directory",
                "a zip archive without its directory",
                dir -> {
                    pickle(pickle().op('}')).prepare(dir);
                    byte[] whole = Files.readAllBytes(dir.resolve(BIN));
                    Files.write(dir.resolve(BIN), Arrays.copyOf(whole, whole.length - 30));
                });
        add(
                all,
                "an archive named safetensors",
                "is a zip archive, as PyTorch saves",
                dir -> {
                    pickle(pickle().op('}')).prepare(dir);
                    Files.move(dir.resolve(BIN), dir.resolve(SAFE));
                });
    }

    private static void sparse(Path path, long bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    private static void writeHeader(Path dir, String start, String middle, int count, String end)
            throws IOException {
        try (OutputStream out =
                new BufferedOutputStream(Files.newOutputStream(dir.resolve(SAFE)), 1 << 20)) {
            out.write(header(start.length() + (long) count + end.length(), start, 0));
            byte[] piece = middle.repeat(1000).getBytes(StandardCharsets.UTF_8);
            for (int i = 0; i < count; i += piece.length) {
                out.write(piece);
            }
            out.write(end.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static void writeManyTensors(Path dir) throws IOException {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        json.write('{');
        for (int i = 0; i < 1_200_000; i++) {
            String entry = (i == 0 ? "" : ",") + tensor(String.valueOf(i), "U8", "[0]", "[0,0]");
            json.writeBytes(entry.getBytes(StandardCharsets.UTF_8));
        }
        json.write('}');
        try (OutputStream out = Files.newOutputStream(dir.resolve(SAFE))) {
            out.write(header(json.size(), "", 0));
            json.writeTo(out);
        }
    }

    private static void writeManyIndexed(Path dir) throws IOException {
        StringBuilder map = new StringBuilder("{\"weight_map\":{\"-\":\"a.safetensors\"");
        for (int i = 0; i < 1_500_000; i++) {
            map.append(",\"").append(i).append("\":\"a.safetensors\"");
        }
        Files.writeString(dir.resolve(INDEX), map + "}}");
    }

    @TestFactory
    List<DynamicTest> hostileDirectoriesAreRefusedByNameSoonAndCheaply() {
        List<DynamicTest> tests = new ArrayList<>();
        attacks()
                .forEach(
                        (name, attack) ->
                                tests.add(
                                        DynamicTest.dynamicTest(
                                                name,
                                                () -> check(attack.getValue(), attack.getKey()))));
        assertTrue(tests.size() >= 50, tests.size() + " attacks");
        return tests;
    }

    private void check(Attack attack, String says) throws Exception {
        Path dir = Files.createTempDirectory(temp, "hostile");
        Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"llama\"}");
        attack.prepare(dir);
        long thread = Thread.currentThread().getId();
        long direct = directBytes();
        long heap = THREADS.getThreadAllocatedBytes(thread);
        long start = THREADS.getCurrentThreadCpuTime();

        CheckpointException e =
                assertTimeout(
                        SOON,
                        () ->
                                assertThrows(
                                        CheckpointException.class,
                                        () -> HuggingFaceDirectory.open(dir)));

        long nanos = THREADS.getCurrentThreadCpuTime() - start;
        long bytes = THREADS.getThreadAllocatedBytes(thread) - heap + directBytes() - direct;
        assertTrue(e.getMessage().contains(says), e.getMessage());
        assertTrue(e.getMessage().chars().noneMatch(Character::isISOControl), e.getMessage());
        assertTrue(e.getMessage().length() < 4_100, e.getMessage());
        assertTrue(bytes < MAX_BYTES, bytes + " bytes");
        assertTrue(nanos < MAX_NANOS, nanos / 1_000_000 + " ms");
    }

    @Test
    void aFileThatShrinksWhileItIsReadIsNamed() throws IOException {
        Path dir = Files.createTempDirectory(temp, "shrinking");
        Files.writeString(dir.resolve("config.json"), "{}");
        SafetensorsWriter.write(
                dir.resolve(SAFE),
                Map.of("a", SafetensorsWriterTest.bytes(DType.U8, List.of(100L), new int[100])));

        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            try (RandomAccessFile file = new RandomAccessFile(dir.resolve(SAFE).toFile(), "rw")) {
                file.setLength(file.length() - 50);
            }
            CheckpointException mapped =
                    assertThrows(CheckpointException.class, () -> model.map("a"));
            TensorSource source = TensorSource.of(model.fileOf("a"), "a");
            CheckpointException copied =
                    assertThrows(
                            CheckpointException.class,
                            () -> SafetensorsWriter.write(temp.resolve("b"), Map.of("a", source)));

            assertTrue(mapped.getMessage().startsWith(SAFE + ": ends at byte "));
            assertTrue(copied.getMessage().startsWith(SAFE + ": ends at byte "));
            assertTrue(Files.notExists(temp.resolve("b")));
        }
    }
}
