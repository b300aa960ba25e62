package dev.tegu.checkpoint;

import dev.tegu.config.Nearest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.SortedMap;

/**
 * A file of tensors, open for reading: safetensors, or what {@code torch.save} wrote. Opening
 * checks what the file says of its tensors; their bytes are read when asked for.
 */
public interface WeightFile extends AutoCloseable {

    /** The file. */
    Path path();

    /** Every tensor by its name, sorted. */
    SortedMap<String, TensorInfo> tensors();

    /**
     * A piece of one tensor: position 0, limit {@code length}, little-endian, direct. Not to be
     * written to: it may be the mapped file itself.
     *
     * @param fromByte first byte, counted from the tensor's start
     * @param length bytes of the piece
     * @throws CheckpointException if there is no such tensor, or the file has become shorter
     * @throws IndexOutOfBoundsException if the piece is not inside of the tensor
     */
    ByteBuffer map(String name, long fromByte, int length) throws IOException;

    /**
     * Writes all bytes of one tensor, row-major and little-endian, in small pieces that are read,
     * not mapped: however large the tensor is, it never counts as memory of the process.
     *
     * @throws CheckpointException if there is no such tensor, or the file has become shorter
     */
    void writeTo(String name, WritableByteChannel channel) throws IOException;

    @Override
    void close() throws IOException;

    /**
     * What the file says of one tensor.
     *
     * @throws CheckpointException if there is no tensor of this name
     */
    default TensorInfo info(String name) {
        TensorInfo info = tensors().get(name);
        if (info == null) {
            throw new CheckpointException(
                    path().getFileName()
                            + (": no tensor `" + name + "`")
                            + Nearest.hint(name, tensors().keySet()));
        }
        return info;
    }

    /**
     * All bytes of one tensor, as {@link #map(String, long, int)}.
     *
     * @throws CheckpointException if it has 2 GiB or more: read those in pieces
     */
    default ByteBuffer map(String name) throws IOException {
        TensorInfo info = info(name);
        if (info.byteLength() > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    path().getFileName()
                            + (": tensor `" + name + "` has " + info.byteLength())
                            + " bytes, too many for one mapping; read it in pieces");
        }
        return map(name, 0, Math.toIntExact(info.byteLength()));
    }
}
