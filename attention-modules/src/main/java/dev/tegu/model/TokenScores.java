package dev.tegu.model;

/**
 * How a model rates one sequence, token by token.
 *
 * @param logProbs natural-log probability of token {@code t + 1} given tokens {@code 0..t}; length
 *     is one less than the sequence
 * @param greedy whether token {@code t + 1} is the most probable one after tokens {@code 0..t}
 */
public record TokenScores(float[] logProbs, boolean[] greedy) {

    /**
     * Sum of the log-probabilities of tokens {@code from..to-1} of the sequence, {@code from >= 1}.
     */
    public double logProb(int from, int to) {
        double sum = 0;
        for (int t = from; t < to; t++) {
            sum += logProbs[t - 1];
        }
        return sum;
    }

    /** Whether greedy decoding would produce tokens {@code from..to-1} after the ones before. */
    public boolean isGreedy(int from, int to) {
        for (int t = from; t < to; t++) {
            if (!greedy[t - 1]) {
                return false;
            }
        }
        return true;
    }
}
