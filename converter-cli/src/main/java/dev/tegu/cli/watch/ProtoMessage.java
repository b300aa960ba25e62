package dev.tegu.cli.watch;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * One message in the wire format of Protocol Buffers, field by field.
 *
 * @see <a href="https://protobuf.dev/programming-guides/encoding/">Encoding</a>
 */
final class ProtoMessage {
    private static final int VARINT = 0;
    private static final int FIXED_64 = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FIXED_32 = 5;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** A field of the type {@code int64} or of an enum. */
    ProtoMessage integer(int field, long value) {
        tag(field, VARINT);
        varint(value);
        return this;
    }

    /** A field of the type {@code double}. */
    ProtoMessage float64(int field, double value) {
        tag(field, FIXED_64);
        littleEndian(Double.doubleToLongBits(value), Double.BYTES);
        return this;
    }

    /** A field of the type {@code float}. */
    ProtoMessage float32(int field, float value) {
        tag(field, FIXED_32);
        littleEndian(Float.floatToIntBits(value), Float.BYTES);
        return this;
    }

    /** A field of the type {@code string}. */
    ProtoMessage text(int field, String value) {
        return bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    /** A field that is a message itself. */
    ProtoMessage message(int field, ProtoMessage value) {
        return bytes(field, value.toBytes());
    }

    byte[] toBytes() {
        return out.toByteArray();
    }

    private ProtoMessage bytes(int field, byte[] value) {
        tag(field, LENGTH_DELIMITED);
        varint(value.length);
        out.writeBytes(value);
        return this;
    }

    private void tag(int field, int wireType) {
        varint((long) field << 3 | wireType);
    }

    /** Seven bits a byte, the lowest first; the eighth says that more follow. */
    private void varint(long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            out.write((int) (rest & 0x7F | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    private void littleEndian(long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> i * Byte.SIZE));
        }
    }
}
