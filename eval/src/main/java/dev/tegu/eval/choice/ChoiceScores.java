package dev.tegu.eval.choice;

import dev.tegu.eval.choice.ChoiceQuestion.Choice;

/**
 * How a model rates the answers of one question.
 *
 * @param question the question
 * @param logProbs for each answer the sum of its tokens' natural-log probabilities, none NaN
 */
public record ChoiceScores(ChoiceQuestion question, double[] logProbs) {

    /** What makes an answer the model's choice; named as in lm-evaluation-harness. */
    public enum Measure {
        /** The highest sum of log-probabilities. */
        ACC("acc"),
        /** The highest sum divided by the answer's characters, its leading space not counted. */
        ACC_NORM("acc_norm"),
        /** The highest sum divided by the answer's UTF-8 bytes, its leading space not counted. */
        ACC_BYTES("acc_bytes");

        private final String metric;

        Measure(String metric) {
            this.metric = metric;
        }

        /** Name in a result file. */
        public String metric() {
            return metric;
        }

        private double score(double logProb, Choice choice) {
            return switch (this) {
                case ACC -> logProb;
                case ACC_NORM -> logProb / choice.characters();
                case ACC_BYTES -> logProb / choice.bytes();
            };
        }
    }

    /**
     * Index of the model's answer. Of equal ones the lowest index wins, as with numpy's argmax; so
     * a model that rates all answers alike is right where the first is.
     */
    public int best(Measure measure) {
        int best = 0;
        for (int i = 1; i < logProbs.length; i++) {
            if (score(measure, i) > score(measure, best)) {
                best = i;
            }
        }
        return best;
    }

    /** Whether the model's answer is the right one. */
    public boolean isRight(Measure measure) {
        return best(measure) == question.gold();
    }

    private double score(Measure measure, int index) {
        return measure.score(logProbs[index], question.choices().get(index));
    }
}
