package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** The operands of a pickle: numbers, text and lines, each checked to lie within the pickle. */
final class PickleReader {
    /** Longer than any tensor's name; longer text is no part of a state dict. */
    private static final int MAX_TEXT_BYTES = 1 << 16;

    /** Letters of a foreign text that stand in a message. */
    private static final int MAX_SHOWN = 200;

    /** Longer than any number in a state dict, seeds included. */
    private static final int MAX_INTEGER_BYTES = 255;

    private final ByteBuffer in;
    private final String where;

    /**
     * @param where name of the file, for messages
     */
    PickleReader(ByteBuffer pickle, String where) {
        this.in = pickle.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        this.where = where;
    }

    boolean hasRemaining() {
        return in.hasRemaining();
    }

    int unsignedByte() {
        require(1);
        return in.get() & 0xff;
    }

    int unsignedShort() {
        require(2);
        return in.getShort() & 0xffff;
    }

    int int32() {
        require(4);
        return in.getInt();
    }

    /** A count or index of four bytes, which no pickle of ours needs beyond 31 bits. */
    int count() {
        int count = int32();
        if (count < 0) {
            throw broken("a count of " + Integer.toUnsignedString(count));
        }
        return count;
    }

    /** A double, the one number that stands big-endian. */
    double float64() {
        require(8);
        return Double.longBitsToDouble(Long.reverseBytes(in.getLong()));
    }

    /** Skips the length of a frame, which only tells a reader how much to buffer. */
    void frame() {
        require(8);
        long length = in.getLong();
        if (length < 0 || length > in.remaining()) {
            throw broken("a frame of " + Long.toUnsignedString(length) + " bytes");
        }
    }

    /** A two's complement integer: {@link Long}, or {@link BigInteger} beyond 64 bits. */
    Object integer(int length) {
        if (length > MAX_INTEGER_BYTES) {
            throw broken("an integer of " + length + " bytes");
        }
        require(length);
        if (length == 0) {
            return 0L;
        }
        byte[] bytes = new byte[length];
        for (int i = length - 1; i >= 0; i--) {
            bytes[i] = in.get();
        }
        BigInteger value = new BigInteger(bytes);
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    String text(int length) {
        if (length > MAX_TEXT_BYTES) {
            throw broken("text of " + length + " bytes, the limit is " + MAX_TEXT_BYTES);
        }
        require(length);
        ByteBuffer bytes = in.slice().limit(length);
        in.position(in.position() + length);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw broken("text that is not UTF-8");
        }
    }

    /** Text up to a line feed, which is read too. */
    String line() {
        int start = in.position();
        for (int at = start; at < in.limit() && at - start <= MAX_TEXT_BYTES; at++) {
            if (in.get(at) == '\n') {
                String line = text(at - start);
                in.get();
                return line;
            }
        }
        throw broken("a line without an end");
    }

    private void require(int bytes) {
        if (in.remaining() < bytes) {
            throw broken("its end comes too early");
        }
    }

    /** Text of a file that nobody trusts, on one line of a message. */
    static String shown(String text) {
        int end = Math.min(text.length(), MAX_SHOWN);
        String start = text.substring(0, end).replaceAll("\\p{Cntrl}", "?");
        return end < text.length() ? start + "..." : start;
    }

    /** What is wrong with the pickle, with the place reached so far. */
    CheckpointException broken(String what) {
        return new CheckpointException(
                where
                        + (": data.pkl is damaged or no state dict: " + what)
                        + (" before byte " + in.position())
                        + "; fetch the file again, or save a dict of tensors with torch.save");
    }

    /** A name that is not allowed. */
    CheckpointException refused(String module, String name) {
        if (module.equals("torch._utils") && name.equals("_rebuild_tensor_v3")) {
            return new CheckpointException(
                    where
                            + ": a tensor is of a type that only newer PyTorch has, such as an"
                            + " eight-bit float, whose scales are kept elsewhere; use the"
                            + " unquantized checkpoint (bfloat16, float16 or float32)");
        }
        return new CheckpointException(
                where
                        + (": `"
                                + shown(module + "." + name)
                                + "` in data.pkl would run code; refused.")
                        + " Only dicts of tensors, numbers and text are read; if you trust the"
                        + " file, load it in PyTorch and save its `state_dict()` alone");
    }
}
