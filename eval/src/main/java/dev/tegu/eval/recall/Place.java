package dev.tegu.eval.recall;

import dev.tegu.tokenizer.TextTokenizer;

/**
 * Where a document belongs in the grid, and what it is made with.
 *
 * @param tokenizer the model's
 * @param text what the user gave, none for sources that need none
 * @param length tokens that prompt and answer may take together
 * @param depth where the fact shall stand, 0 to 1; not a number where the source decides
 */
record Place(TextTokenizer tokenizer, Haystack text, int length, double depth) {}
