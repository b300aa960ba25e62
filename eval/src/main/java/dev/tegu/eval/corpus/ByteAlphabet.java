package dev.tegu.eval.corpus;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The printable character that byte-level BPE writes for each byte, as GPT-2's tokenizer began it:
 * printable Latin-1 characters stand for themselves, the other 68 bytes, in order, for the
 * characters from U+0100 on (so a space is U+0120 and a newline U+010A).
 */
final class ByteAlphabet {
    private static final char[] SYMBOLS = symbols();

    private ByteAlphabet() {}

    /** The UTF-8 bytes of a text, a character each. */
    static String encode(String text) {
        StringBuilder encoded = new StringBuilder();
        for (byte value : text.getBytes(StandardCharsets.UTF_8)) {
            encoded.append(SYMBOLS[value & 0xFF]);
        }
        return encoded.toString();
    }

    /** The 256 characters in the order of their code points. */
    static List<Character> sorted() {
        return IntStream.range(0, SYMBOLS.length).mapToObj(i -> SYMBOLS[i]).sorted().toList();
    }

    private static char[] symbols() {
        char[] symbols = new char[256];
        int next = 0x100;
        for (int value = 0; value < symbols.length; value++) {
            boolean printable =
                    (value >= '!' && value <= '~')
                            || (value >= 0xA1 && value <= 0xAC)
                            || (value >= 0xAE && value <= 0xFF);
            symbols[value] = (char) (printable ? value : next++);
        }
        return symbols;
    }
}
