package dev.tegu.checkpoint.pickle;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes pickles opcode by opcode, as Python's pickler would or would not. */
public final class PickleWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final int protocol;

    /**
     * @param protocol 2, or 4 with its short texts, stack globals and memo
     */
    public PickleWriter(int protocol) {
        this.protocol = protocol;
        op(0x80).op(protocol);
    }

    /** One byte: an opcode or a short operand. */
    public PickleWriter op(int... opcodes) {
        for (int opcode : opcodes) {
            out.write(opcode);
        }
        return this;
    }

    /** Bytes as they are. */
    public PickleWriter ascii(String text) {
        out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /** A number in four bytes. */
    public PickleWriter int32(int value) {
        out.writeBytes(little(4).putInt(value).array());
        return this;
    }

    public PickleWriter text(String value) {
        int length = value.getBytes(StandardCharsets.UTF_8).length;
        if (protocol >= 4 && length < 256) {
            return op(0x8c, length).ascii(value).op(0x94);
        }
        return op('X').int32(length).ascii(value);
    }

    public PickleWriter integer(long value) {
        if (value >= 0 && value < 256) {
            return op('K', (int) value);
        }
        if (value >= 0 && value < 65536) {
            op('M');
            out.writeBytes(little(2).putShort((short) value).array());
            return this;
        }
        if (value == (int) value) {
            return op('J').int32((int) value);
        }
        op(0x8a, 8);
        out.writeBytes(little(8).putLong(value).array());
        return this;
    }

    public PickleWriter float64(double value) {
        op('G');
        out.writeBytes(ByteBuffer.allocate(8).putDouble(value).array());
        return this;
    }

    public PickleWriter global(String module, String name) {
        return protocol >= 4
                ? text(module).text(name).op(0x93)
                : ascii("c" + module + "\n" + name + "\n");
    }

    /** A tuple of numbers, as sizes and strides are written. */
    public PickleWriter numbers(long... values) {
        op('(');
        for (long value : values) {
            integer(value);
        }
        return op('t');
    }

    /** A tensor of a storage that lies beside the pickle. */
    public PickleWriter tensor(
            String storageClass,
            String key,
            long elements,
            long offset,
            long[] shape,
            long[] strides) {
        global("torch._utils", "_rebuild_tensor_v2").op('(', '(').text("storage");
        global("torch", storageClass).text(key).text("cuda:0").integer(elements).op('t', 'Q');
        integer(offset).numbers(shape).numbers(strides).op(0x89);
        return global("collections", "OrderedDict").op(')', 'R', 't', 'R');
    }

    /** What was written, with STOP. */
    public byte[] end() {
        return op('.').out.toByteArray();
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
}
