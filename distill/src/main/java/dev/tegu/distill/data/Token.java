package dev.tegu.distill.data;

/**
 * A token as a token file keeps it: an id in the lower 30 bits, above it whether a document begins
 * here, in the top bit whether the token is left out of the loss.
 */
final class Token {
    /** Set where no loss is taken of a token. */
    static final int NOT_LEARNT = 1 << 31;

    /** Set where a token is the first one of its document. */
    static final int BEGINS = 1 << 30;

    private static final int ID = BEGINS - 1;

    private Token() {}

    static int id(int token) {
        return token & ID;
    }

    static boolean isLearnt(int token) {
        return (token & NOT_LEARNT) == 0;
    }

    static boolean begins(int token) {
        return (token & BEGINS) != 0;
    }
}
