package dev.tegu.distill.data;

/**
 * One document as token ids.
 *
 * @param ids token ids in order, marks included
 * @param promptLength number of tokens at the start that are read but not trained on
 */
record Document(int[] ids, int promptLength) {}
