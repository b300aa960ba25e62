package dev.tegu.distill.data;

import dev.tegu.tokenizer.ChatTemplate;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.OptionalInt;

/** Turns the texts of documents into ids with the tokenizer's opening marks and one closing EOS. */
final class DocumentEncoder {
    private final TextTokenizer tokenizer;
    private final Packing packing;

    DocumentEncoder(TextTokenizer tokenizer, Packing packing) {
        this.tokenizer = tokenizer;
        this.packing = packing;
    }

    /** The first piece of a running text: with the tokenizer's marks, without an EOS at the end. */
    Document opening(String text) {
        return Document.of(marked(text), 0);
    }

    /** A later piece of a running text: no marks. */
    Document continuation(String text) {
        return Document.more(tokenizer.encode(text, false));
    }

    /** What stands after a running text: the EOS where the model has one, else nothing. */
    Document closing() {
        return Document.more(eos());
    }

    /** A whole document, closed. */
    Document whole(String text) {
        return Document.of(joined(marked(text), eos()), 0);
    }

    /**
     * A prompt and its completion, closed. Both are encoded as one text, as a reader would see
     * them; the prompt is the run of tokens that the prompt alone would have too, so a token that
     * spans both counts as completion. In the reference's packing each is encoded for itself.
     */
    Document promptAndCompletion(String prompt, String completion) {
        int[] head = marked(prompt);
        if (packing == Packing.REFERENCE) {
            int[] rest = joined(tokenizer.encode(completion, false), eos());
            return Document.of(joined(head, rest), head.length);
        }
        int[] all = marked(prompt + completion);
        return Document.of(joined(all, eos()), common(head, all));
    }

    /**
     * A conversation as its template wrote it, marks and all, so that none are added. The text is
     * encoded as one; a token that begins before something that is to be learnt and ends in it
     * counts as part of it, one that begins in it and ends behind it does not.
     */
    Document conversation(ChatTemplate.Rendering rendering) {
        String text = rendering.text();
        int[] ids = tokenizer.encode(text, false);
        int[] tokens = ids.clone();
        Arrays.setAll(tokens, i -> ids[i] | Token.NOT_LEARNT);
        for (ChatTemplate.Span span : rendering.learnt()) {
            int from = common(tokenizer.encode(text.substring(0, span.from()), false), ids);
            int to = common(tokenizer.encode(text.substring(0, span.to()), false), ids);
            for (int i = from; i < to; i++) {
                tokens[i] = ids[i];
            }
        }
        return Document.of(tokens, 0);
    }

    /** Length of the start that two rows of ids have in common. */
    private static int common(int[] a, int[] b) {
        int mismatch = Arrays.mismatch(a, b);
        return mismatch < 0 ? a.length : mismatch;
    }

    private static int[] joined(int[] first, int[] second) {
        int[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    private int[] eos() {
        OptionalInt eos = tokenizer.eosId();
        return eos.isPresent() ? new int[] {eos.getAsInt()} : new int[0];
    }

    /** Some tokenizers close every text themselves; the EOS is ours to place. */
    private int[] marked(String text) {
        int[] ids = tokenizer.encode(text, true);
        OptionalInt eos = tokenizer.eosId();
        boolean closed = ids.length > 1 && eos.isPresent() && ids[ids.length - 1] == eos.getAsInt();
        return closed ? Arrays.copyOf(ids, ids.length - 1) : ids;
    }
}
