package dev.tegu.distill.data;

/**
 * One document, or the next piece of one, as {@link Token}s.
 *
 * @param tokens in order, marks included
 */
record Document(int[] tokens) {

    /**
     * A document from its start on.
     *
     * @param ids token ids, which are changed
     * @param promptLength number of tokens at the start that are read but not trained on
     */
    static Document of(int[] ids, int promptLength) {
        for (int i = 0; i < promptLength; i++) {
            ids[i] |= Token.NOT_LEARNT;
        }
        if (ids.length > 0) {
            ids[0] |= Token.BEGINS;
        }
        return new Document(ids);
    }

    /** What follows on the document before, all of it trained on. */
    static Document more(int[] ids) {
        return new Document(ids);
    }
}
