package dev.tegu.distill.data;

import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.OptionalInt;

/** Turns the texts of documents into ids with the tokenizer's opening marks and one closing EOS. */
final class DocumentEncoder {
    private final TextTokenizer tokenizer;

    DocumentEncoder(TextTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The first piece of a running text: with the tokenizer's marks, without an EOS at the end. */
    int[] opening(String text) {
        return withoutEos(tokenizer.encode(text, true));
    }

    /** A later piece of a running text: no marks. */
    int[] continuation(String text) {
        return tokenizer.encode(text, false);
    }

    /** What stands after a running text: the EOS where the model has one, else nothing. */
    int[] closing() {
        OptionalInt eos = tokenizer.eosId();
        return eos.isPresent() ? new int[] {eos.getAsInt()} : new int[0];
    }

    /** A whole document, closed. */
    Document whole(String text) {
        return new Document(closed(opening(text)), 0);
    }

    /**
     * A prompt and its completion, closed. Both are encoded as one text, as a reader would see
     * them; the prompt is the run of tokens that the prompt alone would have too, so a token that
     * spans both counts as completion.
     */
    Document promptAndCompletion(String prompt, String completion) {
        int[] head = opening(prompt);
        int[] all = opening(prompt + completion);
        int common = Arrays.mismatch(head, all);
        return new Document(closed(all), common < 0 ? head.length : common);
    }

    private int[] closed(int[] ids) {
        int[] end = closing();
        int[] closed = Arrays.copyOf(ids, ids.length + end.length);
        System.arraycopy(end, 0, closed, ids.length, end.length);
        return closed;
    }

    /** Some tokenizers close every text themselves; the EOS is ours to place. */
    private int[] withoutEos(int[] ids) {
        OptionalInt eos = tokenizer.eosId();
        boolean closed = ids.length > 1 && eos.isPresent() && ids[ids.length - 1] == eos.getAsInt();
        return closed ? Arrays.copyOf(ids, ids.length - 1) : ids;
    }
}
