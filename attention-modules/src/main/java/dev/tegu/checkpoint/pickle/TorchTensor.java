package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.List;

/**
 * A tensor of a {@link TorchFile}: a strided view of a storage, checked to lie within it. Its bytes
 * are read when asked for, row-major and little-endian whatever the strides.
 */
public final class TorchTensor {
    /** Bytes of a contiguous tensor that are mapped at once. */
    private static final int PIECE_BYTES = 1 << 28;

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
        int length = Math.toIntExact(byteLength);
        if (isContiguous()) {
            return storage.read(offset * itemBytes(), length);
        }
        ByteBuffer all = ByteBuffer.allocateDirect(length).order(ByteOrder.LITTLE_ENDIAN);
        gather(all, null);
        return all.flip();
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

    private void writeTo(WritableByteChannel channel) throws IOException {
        if (!isContiguous()) {
            int room = (int) Math.min(GATHER_BYTES, byteLength);
            gather(ByteBuffer.allocate(room).order(ByteOrder.LITTLE_ENDIAN), channel);
            return;
        }
        for (long at = 0; at < byteLength; at += PIECE_BYTES) {
            int length = (int) Math.min(PIECE_BYTES, byteLength - at);
            drain(storage.read(offset * itemBytes() + at, length), channel);
        }
    }

    /**
     * Walks through the elements in row-major order.
     *
     * @param channel takes the buffer whenever it is full; null: the buffer takes all
     */
    private void gather(ByteBuffer buffer, WritableByteChannel channel) throws IOException {
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
        for (long left = byteLength / itemBytes(); left > 0; left--) {
            copy(span, Math.toIntExact(at * itemBytes()), buffer);
            if (!buffer.hasRemaining() && channel != null) {
                drain(buffer.flip(), channel);
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
            drain(buffer.flip(), channel);
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

    private static void drain(ByteBuffer bytes, WritableByteChannel channel) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
