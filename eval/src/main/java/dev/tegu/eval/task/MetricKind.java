package dev.tegu.eval.task;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.task.TaskSpec.OutputType;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What can be reported of a question, with lm-evaluation-harness's names. */
public enum MetricKind {
    /**
     * The answer with the highest log-probability; of one text, whether greedy decoding gives it.
     */
    ACC,
    /** The highest log-probability divided by the answer's length in characters. */
    ACC_NORM,
    /** The highest log-probability divided by the answer's length in UTF-8 bytes. */
    ACC_BYTES,
    /** exp of the mean negative log-likelihood of a text, each text counting once. */
    PERPLEXITY,
    /** Whether a written answer is the right one. */
    EXACT_MATCH,
    /** Whether the right answer stands somewhere in a written one, in any case. */
    CONTAINS;

    /** Name in files. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether one of them has that name in files. */
    static boolean isWord(String name) {
        return Arrays.stream(values()).anyMatch(kind -> kind.word().equals(name));
    }

    /**
     * @throws InvalidValueException if a task of that type has no such number
     */
    void requireFits(OutputType type) {
        if (!fits(type)) {
            throw new InvalidValueException(
                    "metric_list",
                    "`"
                            + word()
                            + "` is no metric of `"
                            + type.name().toLowerCase(Locale.ROOT)
                            + "`");
        }
    }

    private boolean fits(OutputType type) {
        return switch (this) {
            case ACC -> type != OutputType.GENERATE_UNTIL;
            case ACC_NORM, ACC_BYTES -> type == OutputType.MULTIPLE_CHOICE;
            case PERPLEXITY -> type == OutputType.LOGLIKELIHOOD;
            case EXACT_MATCH, CONTAINS -> type == OutputType.GENERATE_UNTIL;
        };
    }

    /**
     * Index of the answer that is chosen. Of equal ones the lowest wins, as with numpy's argmax.
     *
     * @param logProbs of each answer
     * @param choices each answer's text, without the delimiter before it; its length divides
     */
    int best(double[] logProbs, List<String> choices) {
        int best = 0;
        for (int i = 1; i < logProbs.length; i++) {
            if (score(logProbs[i], choices.get(i)) > score(logProbs[best], choices.get(best))) {
                best = i;
            }
        }
        return best;
    }

    private double score(double logProb, String choice) {
        return switch (this) {
            case ACC_NORM -> logProb / choice.codePointCount(0, choice.length());
            case ACC_BYTES -> logProb / choice.getBytes(StandardCharsets.UTF_8).length;
            default -> logProb;
        };
    }
}
