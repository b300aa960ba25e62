package dev.tegu.distill.data;

import java.util.OptionalInt;

/**
 * Where a stream of tokens is cut into sequences.
 *
 * @param sequenceLength tokens of a sequence, at least 2
 * @param packing what becomes of the end of the stream
 * @param documentMasks whether a token sees its own document alone; then the first token of a
 *     document is not to be learnt, since the one before belongs to another
 * @param opening id that is put in front of every sequence, as prompts and evaluation windows have
 *     one. A model leans on that mark: attention rests on it where there is nothing to look for,
 *     and a student that never saw it leave the window fails where one did
 */
record Cutting(int sequenceLength, Packing packing, boolean documentMasks, OptionalInt opening) {
    Cutting {
        if (sequenceLength < 2) {
            throw new IllegalArgumentException(
                    "expected a sequence length of 2 or more, found " + sequenceLength);
        }
    }

    /** All of it on one line, for digests. */
    String text() {
        return "sequence_length "
                + sequenceLength
                + " packing "
                + packing
                + " document_masks "
                + documentMasks
                + (opening.isPresent() ? " opening " + opening.getAsInt() : "");
    }

    /** Tokens of a sequence that come from the stream. */
    int ownTokens() {
        return sequenceLength - (opening.isPresent() ? 1 : 0);
    }

    /** Whole sequences in a stream. */
    long sequences(long tokens) {
        return switch (packing) {
            case JOINED -> tokens / ownTokens();
            case REFERENCE -> Math.max(0, tokens - 1) / ownTokens();
        };
    }

    /** The label of a token, where it is not the first of its sequence. */
    int label(int token) {
        boolean ignored = !Token.isLearnt(token) || (documentMasks && Token.begins(token));
        return ignored ? Sequence.IGNORED : Token.id(token);
    }

    /** Whether any of a sequence's own tokens is to be learnt; its first one has no predecessor. */
    boolean isLearnt(int[] own) {
        for (int i = opening.isPresent() ? 0 : 1; i < own.length; i++) {
            if (label(own[i]) != Sequence.IGNORED) {
                return true;
            }
        }
        return false;
    }

    Sequence sequence(int[] own) {
        int first = sequenceLength - own.length;
        int[] ids = new int[sequenceLength];
        int[] labels = new int[sequenceLength];
        int[] documents = new int[sequenceLength];
        opening.ifPresent(
                id -> {
                    ids[0] = id;
                    labels[0] = Sequence.IGNORED;
                });
        int document = 0;
        for (int i = 0; i < own.length; i++) {
            int at = first + i;
            document += at > 0 && Token.begins(own[i]) ? 1 : 0;
            ids[at] = Token.id(own[i]);
            labels[at] = label(own[i]);
            documents[at] = document;
        }
        return new Sequence(ids, labels, documents);
    }
}
