package dev.tegu.distill.data;

import dev.tegu.tokenizer.TextTokenizer;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** One id a character, its code; BOS 1 and EOS 2 as asked for. Readable in a failing test. */
public record CharTokenizer(boolean hasBos, boolean hasEos) implements TextTokenizer {
    static final int BOS = 1;
    static final int EOS = 2;

    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        IntStream opening = hasBos && addSpecialTokens ? IntStream.of(BOS) : IntStream.empty();
        return IntStream.concat(opening, text.chars()).toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            if (id > EOS || !skipSpecialTokens) {
                text.append((char) id);
            }
        }
        return text.toString();
    }

    @Override
    public OptionalInt bosId() {
        return hasBos ? OptionalInt.of(BOS) : OptionalInt.empty();
    }

    @Override
    public OptionalInt eosId() {
        return hasEos ? OptionalInt.of(EOS) : OptionalInt.empty();
    }

    @Override
    public int vocabSize() {
        return Character.MAX_VALUE + 1;
    }
}
