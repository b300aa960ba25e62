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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

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
    public static void write(Path file, Map<String, TensorSource> tensors) throws IOException {
        write(file, tensors, PYTORCH);
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
     * @throws CheckpointException if a source gives other than the number of bytes that its dtype
     *     and shape ask for
     * @throws IOException if the disk fails, or a source does
     */
    public static void write(
            Path file, Map<String, TensorSource> tensors, Map<String, String> metadata)
            throws IOException {
        writeAndDigest(file, tensors, metadata);
    }

    /** As {@link #write(Path, Map)}, and tells what the file was meant to be. */
    static Checksums writeAndDigest(Path file, Map<String, TensorSource> tensors)
            throws IOException {
        return writeAndDigest(file, tensors, PYTORCH);
    }

    private static Checksums writeAndDigest(
            Path file, Map<String, TensorSource> tensors, Map<String, String> metadata)
            throws IOException {
        List<Map.Entry<String, TensorSource>> ordered = inFileOrder(tensors);
        ByteBuffer header = header(ordered, metadata);
        long size = header.remaining();
        for (TensorSource tensor : tensors.values()) {
            size += tensor.byteLength();
        }
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            try (DigestingChannel out = new DigestingChannel(file, channel, size)) {
                out.write(header);
                for (Map.Entry<String, TensorSource> tensor : ordered) {
                    writeTensor(file, out, tensor.getKey(), tensor.getValue());
                }
                return out.finish();
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
