package dev.tegu.distill.data;

import java.io.IOException;
import java.io.Reader;

/**
 * Cuts running text into pieces of bounded length, so that a tokenizer never holds a whole corpus.
 *
 * <p>A piece ends after its last line feed, or, where it has none, before a character that does not
 * split a surrogate pair. Tokens do not span pieces: at most one boundary in {@code limit}
 * characters differs from the encoding of the whole.
 */
final class TextPieces {
    /** Characters of a piece: small in memory, and boundaries so rare that they do not count. */
    static final int DEFAULT_LIMIT = 1 << 20;

    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private final Reader reader;
    private final char[] buffer;
    private int filled;
    private boolean atStart = true;

    TextPieces(Reader reader, int limit) {
        this.reader = reader;
        this.buffer = new char[limit];
    }

    /** The next piece, empty when the text has ended. A byte order mark at the start is dropped. */
    String next() throws IOException {
        fill();
        if (atStart) {
            atStart = false;
            if (filled > 0 && buffer[0] == BYTE_ORDER_MARK) {
                take(1);
                fill();
            }
        }
        return take(filled < buffer.length ? filled : cut());
    }

    private void fill() throws IOException {
        while (filled < buffer.length) {
            int read = reader.read(buffer, filled, buffer.length - filled);
            if (read < 0) {
                return;
            }
            filled += read;
        }
    }

    private int cut() {
        for (int i = filled; i > 0; i--) {
            if (buffer[i - 1] == '\n') {
                return i;
            }
        }
        return Character.isHighSurrogate(buffer[filled - 1]) ? filled - 1 : filled;
    }

    private String take(int length) {
        String piece = new String(buffer, 0, length);
        System.arraycopy(buffer, length, buffer, 0, filled - length);
        filled -= length;
        return piece;
    }
}
