package dev.tegu.checkpoint;

import dev.tegu.config.Nearest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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
public final class SafetensorsFile implements AutoCloseable {

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
     * Reads and checks the header. Memory is in the order of the header, which is checked to lie
     * within the file before it is read.
     *
     * @throws CheckpointException if the file is missing or breaks a rule of the format
     * @throws IOException if the disk fails
     */
    public static SafetensorsFile open(Path path) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ);
        } catch (NoSuchFileException e) {
            throw new CheckpointException(path + ": no such file; check the path", e);
        }
        try {
            return new SafetensorsFile(path, channel, readHeader(path, channel));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static SafetensorsHeader readHeader(Path path, FileChannel channel) throws IOException {
        String where = path.getFileName().toString();
        if (Files.isDirectory(path)) {
            throw new CheckpointException(path + ": is a folder; give the path of a file");
        }
        FileKind kind = FileKind.of(path);
        if (kind != FileKind.OTHER) {
            throw new CheckpointException(
                    where + ": not a safetensors file: " + kind.explanation());
        }
        long size = channel.size();
        if (size < LENGTH_BYTES) {
            throw cutOff(where, "has only " + size + " bytes, fewer than the header's length");
        }
        ByteBuffer lengthBytes = ByteBuffer.allocate(LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readFully(channel, lengthBytes, 0, where);
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
            throw cutOff(where, "header ends at byte " + dataStart + " of " + size);
        }
        ByteBuffer json = ByteBuffer.allocate(Math.toIntExact(length));
        readFully(channel, json, LENGTH_BYTES, where);
        json.flip();
        if (length == 0 || json.get(0) != '{') {
            throw new CheckpointException(
                    where
                            + ": not a safetensors file: the header does not begin with `{`;"
                            + " check that this is the right file, or fetch it again");
        }
        return SafetensorsHeader.parse(where, json, dataStart, size - dataStart);
    }

    private static CheckpointException cutOff(String where, String what) {
        return new CheckpointException(
                where + ": " + what + "; the file is cut off: fetch or write it again");
    }

    private static void readFully(FileChannel channel, ByteBuffer target, long from, String where)
            throws IOException {
        while (target.hasRemaining()) {
            if (channel.read(target, from + target.position()) < 0) {
                throw cutOff(where, "ends at byte " + (from + target.position()));
            }
        }
    }

    public Path path() {
        return path;
    }

    /** Text of {@code __metadata__}, such as {@code format: pt}; sorted by key. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /** Every tensor by its name, sorted. */
    public SortedMap<String, TensorInfo> tensors() {
        return header.tensors();
    }

    /**
     * @throws CheckpointException if there is no tensor of this name
     */
    public TensorInfo info(String name) {
        TensorInfo info = tensors().get(name);
        if (info == null) {
            throw new CheckpointException(
                    path.getFileName()
                            + (": no tensor `" + name + "`")
                            + Nearest.hint(name, tensors().keySet()));
        }
        return info;
    }

    /**
     * Maps one tensor: position 0, limit the tensor's bytes, little-endian, read-only, direct.
     *
     * @throws CheckpointException if there is no such tensor, or it has 2 GiB or more: map those in
     *     pieces
     */
    public ByteBuffer map(String name) throws IOException {
        TensorInfo info = info(name);
        if (info.byteLength() > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    path.getFileName()
                            + (": tensor `" + name + "` has " + info.byteLength())
                            + " bytes, too many for one mapping; read it in pieces");
        }
        return map(name, 0, Math.toIntExact(info.byteLength()));
    }

    /**
     * Maps a piece of one tensor, as {@link #map(String)}.
     *
     * @param fromByte first byte, counted from the tensor's start
     * @param length bytes of the piece
     * @throws IndexOutOfBoundsException if the piece is not inside of the tensor
     */
    public ByteBuffer map(String name, long fromByte, int length) throws IOException {
        TensorInfo info = info(name);
        Objects.checkFromIndexSize(fromByte, (long) length, info.byteLength());
        if (length == 0) {
            return ByteBuffer.allocateDirect(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
        }
        return channel.map(FileChannel.MapMode.READ_ONLY, info.offset() + fromByte, length)
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Closes the file; buffers already mapped stay valid. */
    @Override
    public void close() throws IOException {
        channel.close();
    }
}
