package dev.tegu.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;

/**
 * A safetensors file, open for reading.
 *
 * <p>Layout: 8 bytes little-endian header length N, N bytes of JSON (see {@link
 * SafetensorsHeader}), then the tensors' bytes, row-major and little-endian. Opening reads and
 * checks the header only; {@link #map} maps the bytes of one tensor. Mapped memory lives as long as
 * its buffer is referenced, also after {@link #close}.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class SafetensorsFile implements WeightFile {

    /** Limit of the reference implementation. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int LENGTH_BYTES = 8;

    private final Path path;
    private final FileChannel channel;
    private final SafetensorsHeader header;

    private SafetensorsFile(Path path, FileChannel channel, SafetensorsHeader header) {
        this.path = path;
        this.channel = channel;
        this.header = header;
    }

    /**
     * Reads and checks the header, which is checked to lie within the file before. Memory is in the
     * order of the tensors that it lists, whose number is bounded.
     *
     * @throws CheckpointException if the file is missing or breaks a rule of the format
     * @throws IOException if the disk fails
     */
    public static SafetensorsFile open(Path path) throws IOException {
        FileChannel channel = FileBytes.open(path);
        try {
            return new SafetensorsFile(path, channel, readHeader(path, channel));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static SafetensorsHeader readHeader(Path path, FileChannel channel) throws IOException {
        String where = path.getFileName().toString();
        FileKind kind = FileKind.of(path);
        if (kind != FileKind.OTHER) {
            throw new CheckpointException(
                    where + ": not a safetensors file: " + kind.explanation());
        }
        long size = channel.size();
        if (size < LENGTH_BYTES) {
            throw FileBytes.cutOff(
                    where, "has only " + size + " bytes, fewer than the header's length");
        }
        ByteBuffer lengthBytes = ByteBuffer.allocate(LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        FileBytes.read(channel, where, 0, lengthBytes);
        long length = lengthBytes.getLong(0);
        if (length < 0 || length > MAX_HEADER_BYTES) {
            throw new CheckpointException(
                    where
                            + (": not a safetensors file: the header would be "
                                    + Long.toUnsignedString(length))
                            + (" bytes long, the limit is " + MAX_HEADER_BYTES)
                            + "; check that this is the right file, or fetch it again");
        }
        long dataStart = LENGTH_BYTES + length;
        if (dataStart > size) {
            throw FileBytes.cutOff(where, "header ends at byte " + dataStart + " of " + size);
        }
        ByteBuffer first = ByteBuffer.allocate(1);
        if (length > 0) {
            FileBytes.read(channel, where, LENGTH_BYTES, first);
        }
        if (first.get(0) != '{') {
            throw new CheckpointException(
                    where
                            + ": not a safetensors file: the header does not begin with `{`;"
                            + " check that this is the right file, or fetch it again");
        }
        InputStream json = new Header(channel, LENGTH_BYTES, dataStart);
        return SafetensorsHeader.parse(where, json, dataStart, size - dataStart);
    }

    /** The header's bytes, read as they are parsed: a large one is never whole in memory. */
    private static final class Header extends InputStream {
        private final FileChannel channel;
        private final long end;
        private long at;

        Header(FileChannel channel, long start, long end) {
            this.channel = channel;
            this.at = start;
            this.end = end;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int wanted = (int) Math.min(length, end - at);
            if (wanted == 0) {
                return length == 0 ? 0 : -1;
            }
            int count = channel.read(ByteBuffer.wrap(target, offset, wanted), at);
            at += Math.max(0, count);
            return count;
        }
    }

    @Override
    public Path path() {
        return path;
    }

    /** Text of {@code __metadata__}, such as {@code format: pt}; sorted by key. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    @Override
    public SortedMap<String, TensorInfo> tensors() {
        return header.tensors();
    }

    /** Maps the piece, read-only. */
    @Override
    public ByteBuffer map(String name, long fromByte, int length) throws IOException {
        TensorInfo info = info(name);
        Objects.checkFromIndexSize(fromByte, (long) length, info.byteLength());
        if (length == 0) {
            return ByteBuffer.allocateDirect(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
        }
        return FileBytes.map(channel, where(), info.offset() + fromByte, length)
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void writeTo(String name, WritableByteChannel target) throws IOException {
        TensorInfo info = info(name);
        FileBytes.copy(channel, where(), info.offset(), info.byteLength(), target);
    }

    private String where() {
        return path.getFileName().toString();
    }

    /** Closes the file; buffers already mapped stay valid. */
    @Override
    public void close() throws IOException {
        channel.close();
    }
}
