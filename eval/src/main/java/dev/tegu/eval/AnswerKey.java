package dev.tegu.eval;

import dev.tegu.checkpoint.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;

/**
 * What was asked of a model: SHA-256 over the kind of question and its numbers.
 *
 * @param digest 64 hexadecimal digits
 */
public record AnswerKey(String digest) {
    /**
     * Of a batch.
     *
     * @param kind what is asked about the sequences, and every choice that changes the answer
     * @param numbers token ids and whatever else was given, one entry a sequence or a part of one;
     *     their order counts
     */
    public static AnswerKey of(String kind, List<int[]> numbers) {
        MessageDigest sha = Sha256.start();
        byte[] name = kind.getBytes(StandardCharsets.UTF_8);
        sha.update(ByteBuffer.allocate(4).putInt(name.length).array());
        sha.update(name);
        for (int[] row : numbers) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(Math.addExact(4, Math.multiplyExact(4, row.length)));
            bytes.putInt(row.length);
            for (int number : row) {
                bytes.putInt(number);
            }
            sha.update(bytes.array());
        }
        return new AnswerKey(Sha256.text(sha));
    }
}
