package dev.tegu.tokenizer;

import java.util.OptionalInt;

/** Text to token ids and back. */
public interface TextTokenizer {
    /**
     * @param addSpecialTokens whether the tokenizer's post-processor adds its marks (BOS, ...)
     * @return ids in order; empty for empty text without marks
     */
    int[] encode(String text, boolean addSpecialTokens);

    /**
     * @param skipSpecialTokens whether marks such as BOS are left out of the text
     */
    String decode(int[] ids, boolean skipSpecialTokens);

    /** Beginning-of-text id, if the model has one. */
    OptionalInt bosId();

    /** End-of-text id, if the model has one. */
    OptionalInt eosId();

    /** Number of ids, added tokens included. */
    int vocabSize();
}
