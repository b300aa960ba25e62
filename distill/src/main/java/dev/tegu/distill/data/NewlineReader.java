package dev.tegu.distill.data;

import java.io.FilterReader;
import java.io.IOException;
import java.io.Reader;

/**
 * Reads CR LF and CR as LF, as Python's text files do: a tokenizer has no good token for CR, and a
 * model has hardly seen one.
 */
final class NewlineReader extends FilterReader {
    private boolean afterReturn;

    NewlineReader(Reader in) {
        super(in);
    }

    @Override
    public int read() throws IOException {
        char[] one = new char[1];
        return read(one, 0, 1) < 0 ? -1 : one[0];
    }

    @Override
    public int read(char[] buffer, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        int kept = 0;
        while (kept == 0) {
            int read = in.read(buffer, offset, length);
            if (read < 0) {
                return -1;
            }
            for (int i = offset; i < offset + read; i++) {
                char c = buffer[i];
                boolean secondOfPair = c == '\n' && afterReturn;
                afterReturn = c == '\r';
                if (!secondOfPair) {
                    buffer[offset + kept++] = c == '\r' ? '\n' : c;
                }
            }
        }
        return kept;
    }
}
