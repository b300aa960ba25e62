package dev.tegu.model;

/**
 * How a model rates tokens that may follow a text, candidate by candidate.
 *
 * @param logProbs natural-log probability of each candidate as the next token
 * @param greedy whether the candidate is the most probable of all tokens
 */
public record NextScores(float[] logProbs, boolean[] greedy) {}
