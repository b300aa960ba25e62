package dev.tegu.eval;

import java.util.List;
import java.util.Optional;

/**
 * Keeps what one model answered, so that an evaluation that was stopped goes on where it was. Bound
 * to one model (weights, attention, number type, device) by whoever opens it.
 *
 * <p>The unit is a batch: in another batch a row's answer has other last bits, and a resumed
 * evaluation must end with the numbers of one that never stopped. {@link BatchScorer} asks it; a
 * task has nothing to do but to go through that.
 */
public interface AnswerCache {
    /** Keeps nothing. */
    static AnswerCache none() {
        return new AnswerCache() {
            @Override
            public Optional<List<double[]>> find(AnswerKey batch) {
                return Optional.empty();
            }

            @Override
            public void put(AnswerKey batch, List<double[]> answers) {}
        };
    }

    /**
     * The answers to that batch, one entry a sequence, in order; empty if they are not known.
     *
     * @param batch what was asked
     */
    Optional<List<double[]>> find(AnswerKey batch);

    /**
     * Keeps the answers to a batch; on return they survive the end of this process.
     *
     * @param batch what was asked
     * @param answers one entry a sequence, in order
     */
    void put(AnswerKey batch, List<double[]> answers);
}
