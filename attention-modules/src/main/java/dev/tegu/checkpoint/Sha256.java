package dev.tegu.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.function.LongConsumer;

/** SHA-256 digests, as lower-case hexadecimal text. */
public final class Sha256 {

    private Sha256() {}

    /** A fresh digest. */
    public static MessageDigest start() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /** What a digest has come to, 64 digits; the digest begins anew. */
    public static String text(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The digest of these bytes. */
    public static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(start().digest(bytes));
    }

    /** The digest of a file's bytes. */
    public static String ofFile(Path file) throws IOException {
        return ofFile(file, count -> {});
    }

    /**
     * As {@link #ofFile(Path)}.
     *
     * @param read hears of each piece, in bytes
     */
    static String ofFile(Path file, LongConsumer read) throws IOException {
        MessageDigest digest = start();
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
                read.accept(count);
            }
        }
        return text(digest);
    }
}
