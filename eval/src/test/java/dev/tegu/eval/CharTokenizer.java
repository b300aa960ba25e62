package dev.tegu.eval;

import dev.tegu.tokenizer.TextTokenizer;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** An id for each ASCII character, its code plus one; 0 is BOS, which is added or not. */
public record CharTokenizer(boolean addsBos) implements TextTokenizer {
    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        IntStream bos = addSpecialTokens && addsBos ? IntStream.of(0) : IntStream.empty();
        return IntStream.concat(bos, text.chars().map(c -> c + 1)).toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(id == 0 ? (skipSpecialTokens ? "" : "<bos>") : (char) (id - 1));
        }
        return text.toString();
    }

    @Override
    public OptionalInt bosId() {
        return OptionalInt.of(0);
    }

    @Override
    public OptionalInt eosId() {
        return OptionalInt.empty();
    }

    @Override
    public int vocabSize() {
        return 129;
    }
}
