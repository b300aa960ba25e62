package dev.tegu.distill.data;

import dev.tegu.checkpoint.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/**
 * Which documents are kept for validation: those of whose SHA-256 the first 64 bits, as a part of 1
 * (big endian, over 2^64), fall under a given part. So a document's side depends on its bytes
 * alone: it stays when files are added or reordered, and copies of it are on one side. Running text
 * is split by blocks of whole lines of about 16 KiB.
 *
 * @param part of the documents, from 0 to under 1
 */
record ValidationSplit(double part) {

    /**
     * @param fields the document's texts; one alone is hashed as it is, several have a NUL between
     *     them
     */
    boolean holds(String... fields) {
        if (part == 0) {
            return false;
        }
        MessageDigest digest = Sha256.start();
        digest.update(String.join("\0", fields).getBytes(StandardCharsets.UTF_8));
        long first = ByteBuffer.wrap(digest.digest()).getLong();
        return (first >>> 11) * 0x1.0p-53 < part;
    }
}
