package dev.tegu.distill.data;

import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Sha256;
import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/**
 * The encoded documents of some data files, one behind the other, in a file that is mapped into
 * memory: a corpus may be larger than the heap and than 2^31 tokens.
 *
 * <pre>
 * byte 0   magic           8 bytes, "TEGUTOK" and the version, 1
 *      8   tokens          int64
 *     16   documents       int64
 *     24   not learnt      int64, tokens that no loss is taken of
 *     32   identity        32 bytes, SHA-256 of a text that names what the tokens were made from
 *     64   digest          32 bytes, SHA-256 of all that follows
 *     96   the tokens      int32 each; see {@link Token} for its bits
 * </pre>
 *
 * <p>Numbers are little endian. The same inputs give the same bytes.
 */
final class TokenFile {
    static final byte[] MAGIC = "TEGUTOK\u0001".getBytes(StandardCharsets.ISO_8859_1);
    static final int HEADER = 96;
    static final int DIGEST = 32;

    private static final int PIECE = 1 << 16;

    private final MappedTokens tokens;
    private final long documents;
    private final long notLearnt;
    private final byte[] identity;
    private final byte[] digest;

    private TokenFile(MappedTokens tokens, ByteBuffer header) {
        this.tokens = tokens;
        this.documents = header.getLong(16);
        this.notLearnt = header.getLong(24);
        this.identity = new byte[DIGEST];
        this.digest = new byte[DIGEST];
        header.get(32, identity).get(64, digest);
    }

    /**
     * Maps a file after it has read it once, to see that it is whole. The file may be removed
     * afterwards where the system allows that.
     *
     * @throws DataException if the file is no token file, of another version, cut short, or changed
     *     since it was written
     */
    static TokenFile open(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
            while (header.hasRemaining() && channel.read(header, header.position()) >= 0) {
                // a read may give less than was asked for
            }
            if (!Arrays.equals(header.array(), 0, 7, MAGIC, 0, 7)) {
                throw damaged(file, "not a token file");
            }
            if (header.get(7) != MAGIC[7]) {
                throw damaged(
                        file, "a token file of version " + header.get(7) + ", expected version 1");
            }
            long count = header.getLong(8);
            long found = channel.size();
            if (count < 0
                    || count > (Long.MAX_VALUE - HEADER) / Integer.BYTES
                    || found != HEADER + count * Integer.BYTES) {
                throw damaged(
                        file,
                        ("cut short or lengthened: its header tells of " + count + " tokens, and ")
                                + (found + " bytes are there"));
            }
            TokenFile tokens =
                    new TokenFile(
                            new MappedTokens(channel, HEADER, count, MappedTokens.PART), header);
            if (!Arrays.equals(tokens.digest, digest(channel))) {
                throw damaged(file, "its tokens have changed since it was written");
            }
            return tokens;
        }
    }

    /**
     * As {@link #open}; empty if there is no such file, or it is not whole or of something else.
     */
    static Optional<TokenFile> find(Path file, byte[] identity) throws IOException {
        if (!Durable.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(open(file)).filter(found -> Arrays.equals(found.identity, identity));
        } catch (DataException e) {
            return Optional.empty(); // it will be made again, to the same bytes
        }
    }

    private static byte[] digest(FileChannel channel) throws IOException {
        MessageDigest digest = Sha256.start();
        ByteBuffer piece = ByteBuffer.allocate(PIECE);
        for (long at = HEADER; channel.read(piece, at) >= 0; piece.clear()) {
            at += piece.flip().limit();
            digest.update(piece);
        }
        return digest.digest();
    }

    private static DataException damaged(Path file, String what) {
        return new DataException(
                file + ": " + what + "; remove it, and it will be made again from the data");
    }

    long size() {
        return tokens.size();
    }

    long documents() {
        return documents;
    }

    /** Number of tokens that no loss is taken of. */
    long notLearnt() {
        return notLearnt;
    }

    /** SHA-256 of the tokens, 64 digits. */
    String digest() {
        return HexFormat.of().formatHex(digest);
    }

    /** Reads as many {@link Token}s as the array holds. */
    void read(long from, int[] into) {
        tokens.read(from, into);
    }
}
