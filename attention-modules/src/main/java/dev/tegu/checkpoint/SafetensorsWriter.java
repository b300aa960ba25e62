package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Writes safetensors files, one tensor in memory at a time; the same input gives the same bytes.
 *
 * <p>Tensors stand in the order of falling element size and then of their names, as the reference
 * implementation has it, so that every tensor is aligned to its elements; the header is padded with
 * spaces so that the data start at a multiple of 8.
 */
public final class SafetensorsWriter {

    /** What transformers asks of a file before it loads it. */
    private static final Map<String, String> PYTORCH = Map.of("format", "pt");

    private SafetensorsWriter() {}

    /** As {@link #write(Path, Map, Map)} with the metadata {@code format: pt}. */
    public static String write(Path file, Map<String, TensorSource> tensors) throws IOException {
        return write(file, tensors, PYTORCH);
    }

    /**
     * As {@link #write(Path, Map)}, under another name first, so that what stands at {@code file}
     * is always whole; one that is there is replaced.
     */
    public static void replace(Path file, Map<String, TensorSource> tensors) throws IOException {
        replace(file, tensors, PYTORCH);
    }

    /** As {@link #replace(Path, Map)}, with metadata of the caller's. */
    public static void replace(
            Path file, Map<String, TensorSource> tensors, Map<String, String> metadata)
            throws IOException {
        Path partial = file.resolveSibling("." + file.getFileName() + ".partial");
        Files.deleteIfExists(partial);
        write(partial, tensors, metadata);
        Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
        Durable.syncFolder(file.toAbsolutePath().getParent());
    }

    /**
     * Writes a new file and waits until the disk has it. On any failure the file is removed.
     *
     * @param file must not exist
     * @param metadata text for {@code __metadata__}
     * @return SHA-256 of the bytes that were meant, taken before they went to the disk
     * @throws CheckpointException if a source gives other than the number of bytes that its dtype
     *     and shape ask for
     * @throws IOException if the disk fails, or a source does
     */
    public static String write(
            Path file, Map<String, TensorSource> tensors, Map<String, String> metadata)
            throws IOException {
        List<Map.Entry<String, TensorSource>> ordered = inFileOrder(tensors);
        ByteBuffer header = header(ordered, metadata);
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            try (DigestingChannel out = new DigestingChannel(file, channel)) {
                out.write(header);
                for (Map.Entry<String, TensorSource> tensor : ordered) {
                    writeTensor(file, out, tensor.getKey(), tensor.getValue());
                }
                channel.force(true);
                return HexFormat.of().formatHex(out.digest.digest());
            } catch (IOException | RuntimeException | Error e) {
                Files.deleteIfExists(file);
                throw e;
            }
        }
    }

    private static List<Map.Entry<String, TensorSource>> inFileOrder(
            Map<String, TensorSource> tensors) {
        List<Map.Entry<String, TensorSource>> ordered =
                new ArrayList<>(new TreeMap<>(tensors).entrySet());
        ordered.sort(Comparator.comparingInt(entry -> -entry.getValue().dtype().byteSize()));
        return ordered;
    }

    private static ByteBuffer header(
            List<Map.Entry<String, TensorSource>> ordered, Map<String, String> metadata)
            throws IOException {
        ObjectNode root = StrictJson.object();
        ObjectNode notes = root.putObject("__metadata__");
        new TreeMap<>(metadata).forEach(notes::put);
        long offset = 0;
        for (Map.Entry<String, TensorSource> tensor : ordered) {
            ObjectNode entry = root.putObject(tensor.getKey());
            entry.put("dtype", tensor.getValue().dtype().name());
            ArrayNode shape = entry.putArray("shape");
            tensor.getValue().shape().forEach(dimension -> shape.add((long) dimension));
            long end = Math.addExact(offset, tensor.getValue().byteLength());
            entry.putArray("data_offsets").add(offset).add(end);
            offset = end;
        }
        byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
        int length = Math.multiplyExact(Math.floorDiv(Math.addExact(json.length, 7), 8), 8);
        if (length > SafetensorsFile.MAX_HEADER_BYTES) {
            throw new IllegalArgumentException(
                    "a header of " + length + " bytes is over the format's limit");
        }
        ByteBuffer header = ByteBuffer.allocate(8 + length).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(length).put(json);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.flip();
    }

    private static void writeTensor(
            Path file, WritableByteChannel channel, String name, TensorSource source)
            throws IOException {
        CountingChannel counting = new CountingChannel(channel, source.byteLength());
        source.body().writeTo(counting);
        if (counting.written != counting.expected) {
            throw new CheckpointException(
                    file.getFileName()
                            + (": tensor `" + name + "`: shape " + source.shape())
                            + (" of " + source.dtype() + " needs " + counting.expected)
                            + (" bytes, its source gave " + counting.written)
                            + (counting.isOver() ? " or more" : ""));
        }
    }

    /**
     * Passes all on, and remembers what the disk should hold; a fault of the disk gets its name.
     */
    private static final class DigestingChannel implements WritableByteChannel {
        /** Below this, handing work to another thread takes longer than the work. */
        private static final int MIN_PARALLEL_BYTES = 1 << 18;

        private final Path file;
        private final WritableByteChannel channel;
        private final MessageDigest digest = Sha256.start();
        private final ExecutorService digester = Executors.newSingleThreadExecutor();

        DigestingChannel(Path file, WritableByteChannel channel) {
            this.file = file;
            this.channel = channel;
        }

        /** Takes all of it; a large piece's digest is taken while the disk takes the piece. */
        @Override
        public int write(ByteBuffer source) throws IOException {
            int count = source.remaining();
            ByteBuffer same = source.duplicate();
            if (count < MIN_PARALLEL_BYTES) {
                digest.update(same);
                writeAll(source);
                return count;
            }
            CompletableFuture<Void> digested =
                    CompletableFuture.runAsync(() -> digest.update(same), digester);
            try {
                writeAll(source);
            } finally {
                digested.join();
            }
            return count;
        }

        private void writeAll(ByteBuffer source) throws IOException {
            try {
                FileBytes.drain(source, channel);
            } catch (IOException e) {
                throw new IOException(file + ": cannot be written: " + e.getMessage(), e);
            }
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        /** Ends the digest's thread; the file belongs to the writer. */
        @Override
        public void close() {
            digester.shutdown();
        }
    }

    /**
     * Passes on what fits, and swallows and counts what is over, so that a fault is not the disk's.
     */
    private static final class CountingChannel implements WritableByteChannel {
        private final WritableByteChannel channel;
        private final long expected;
        private long written;

        CountingChannel(WritableByteChannel channel, long expected) {
            this.channel = channel;
            this.expected = expected;
        }

        boolean isOver() {
            return written > expected;
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            int count = source.remaining();
            if (written + count > expected) {
                written += count;
                source.position(source.limit());
                return count;
            }
            count = channel.write(source);
            written += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() {
            // The file belongs to the writer; a body may close what it was given.
        }
    }
}
