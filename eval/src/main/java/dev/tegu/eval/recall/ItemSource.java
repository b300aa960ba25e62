package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;

/** Makes the documents of one task, as long as they are asked to be. */
interface ItemSource {
    /** Name of the task. */
    String name();

    /** One line for a list of tasks. */
    String description();

    /** Whether the documents are made of the user's text. */
    default boolean needsText() {
        return false;
    }

    /** Tokens that an answer may take. */
    int newTokens();

    /** Smallest size that makes a document; sizes count words, sentences or characters. */
    int smallest();

    /** Largest size that makes a document; above it nothing is added. */
    default int largest() {
        return Integer.MAX_VALUE;
    }

    /**
     * One document.
     *
     * @param place where it belongs
     * @param random decides the rest; a fresh stream for each call
     * @param size {@code smallest()..largest()}
     */
    RecallItem item(Place place, StableRandom random, int size);

    /** How good an answer is, 0 to 1. */
    double score(RecallItem item, String answer);
}
