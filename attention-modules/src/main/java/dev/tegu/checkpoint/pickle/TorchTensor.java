package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.FileBytes;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Objects;

/**
 * A tensor of a {@link TorchFile}: a strided view of a storage, checked to lie within it. Its bytes
 * are read when asked for, row-major and little-endian whatever the strides.
 */
public final class TorchTensor {
    /** Bytes that are gathered before they are written. */
    private static final int GATHER_BYTES = 1 << 20;

    private final TorchStorage storage;
    private final List<Long> shape;
    private final List<Long> strides;
    private final long offset;
    private final long byteLength;

    /**
     * @param shape dimensions
     * @param strides elements from one entry of a dimension to the next
     * @param offset element of the storage where the tensor begins
     * @param byteLength bytes of the elements alone
     */
    TorchTensor(
            TorchStorage storage,
            List<Long> shape,
            List<Long> strides,
            long offset,
            long byteLength) {
        this.storage = storage;
        this.shape = List.copyOf(shape);
        this.strides = List.copyOf(strides);
        this.offset = offset;
        this.byteLength = byteLength;
    }

    /** Number type. */
    public DType dtype() {
        return storage.dtype();
    }

    /** Dimensions, outermost first; empty for a single number. */
    public List<Long> shape() {
        return shape;
    }

    /** Number of elements times bytes of one. */
    public long byteLength() {
        return byteLength;
    }

    /** The tensor as something that can be written; the file stays open until then. */
    public TensorSource source() {
        return new TensorSource(dtype(), shape, this::writeTo);
    }

    /**
     * All bytes: position 0, limit {@link #byteLength}, little-endian, direct; mapped where the
     * file holds many in this order.
     *
     * @throws CheckpointException if there are 2 GiB or more, or the archive is damaged
     */
    public ByteBuffer bytes() throws IOException {
        if (byteLength > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    storage.where()
                            + (": a tensor of shape " + shape + " has " + byteLength)
                            + " bytes, too many to read at once; write it in pieces");
        }
        return bytes(0, Math.toIntExact(byteLength));
    }

    /** A piece of whole elements, as {@link #bytes()}. */
    ByteBuffer bytes(long fromByte, int length) throws IOException {
        Objects.checkFromIndexSize(fromByte, (long) length, byteLength);
        if (isContiguous()) {
            return storage.read(offset * itemBytes() + fromByte, length);
        }
        ByteBuffer piece = ByteBuffer.allocateDirect(length).order(ByteOrder.LITTLE_ENDIAN);
        gather(fromByte / itemBytes(), length / itemBytes(), piece, null);
        return piece.flip();
    }

    private int itemBytes() {
        return dtype().byteSize();
    }

    /** Dimensions of one entry may have any stride. */
    private boolean isContiguous() {
        long expected = 1;
        for (int i = shape.size() - 1; i >= 0; i--) {
            if (shape.get(i) != 1 && strides.get(i) != expected) {
                return byteLength == 0;
            }
            expected *= shape.get(i);
        }
        return true;
    }

    /** Writes all bytes, of which little is in memory at a time. */
    void writeTo(WritableByteChannel channel) throws IOException {
        if (isContiguous()) {
            storage.writeTo(offset * itemBytes(), byteLength, channel);
            return;
        }
        int room = (int) Math.min(GATHER_BYTES, byteLength);
        ByteBuffer buffer = ByteBuffer.allocate(room).order(ByteOrder.LITTLE_ENDIAN);
        gather(0, byteLength / itemBytes(), buffer, channel);
    }

    /**
     * Walks through elements in row-major order.
     *
     * @param first number of the first
     * @param count how many
     * @param channel takes the buffer whenever it is full; null: the buffer takes all
     */
    private void gather(long first, long count, ByteBuffer buffer, WritableByteChannel channel)
            throws IOException {
        long last = 0;
        for (int i = 0; i < shape.size(); i++) {
            last += (shape.get(i) - 1) * strides.get(i);
        }
        long spanBytes = (last + 1) * itemBytes();
        if (spanBytes > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    storage.where()
                            + (": a tensor of shape " + shape + " and strides " + strides)
                            + " is spread over 2 GiB or more; call `.contiguous()` on it in"
                            + " PyTorch before saving");
        }
        ByteBuffer span = storage.read(offset * itemBytes(), Math.toIntExact(spanBytes));
        long[] index = new long[shape.size()];
        long at = 0;
        long rest = first;
        for (int d = index.length - 1; d >= 0; d--) {
            index[d] = rest % shape.get(d);
            rest /= shape.get(d);
            at += index[d] * strides.get(d);
        }
        for (long left = count; left > 0; left--) {
            copy(span, Math.toIntExact(at * itemBytes()), buffer);
            if (!buffer.hasRemaining() && channel != null) {
                FileBytes.drain(buffer.flip(), channel);
                buffer.clear();
            }
            for (int d = index.length - 1; d >= 0; d--) {
                at += strides.get(d);
                if (++index[d] < shape.get(d)) {
                    break;
                }
                at -= index[d] * strides.get(d);
                index[d] = 0;
            }
        }
        if (channel != null) {
            FileBytes.drain(buffer.flip(), channel);
        }
    }

    private void copy(ByteBuffer span, int at, ByteBuffer out) {
        switch (itemBytes()) {
            case 1 -> out.put(span.get(at));
            case 2 -> out.putShort(span.getShort(at));
            case 4 -> out.putInt(span.getInt(at));
            default -> out.putLong(span.getLong(at));
        }
    }
}
