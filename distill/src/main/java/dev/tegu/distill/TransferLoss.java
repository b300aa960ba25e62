package dev.tegu.distill;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.FeatureMapSpec;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * What attention transfer brings near the teacher's: outputs, attention weights, or both.
 *
 * <p>Loss of a layer: {@code mse_factor} times the mean squared error of the head outputs before
 * the output projection, and {@code xent_factor} times the mean over batch, heads and some queries
 * of - sum_j a_ij log max(b_ij, 1e-12), where a are the teacher's weights and b the student's,
 * divided by their sum. LoLCATs trains at 1000 and 0 (405B: 1000 and 1), Hedgehog on weights alone.
 *
 * @param mseFactor weight of the squared error, 0 or more
 * @param xentFactor weight of the cross-entropy, 0 or more; not both may be 0
 * @param xentQueries queries of each sequence that the cross-entropy looks at, at least 1: drawn
 *     anew for each batch, evenly spaced where a loss is measured. Their rows take memory O(B H n
 *     T), linear in T for a fixed number
 * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, section 3.2 and table 10</a>
 * @see <a href="https://arxiv.org/abs/2402.04347">The Hedgehog and the Porcupine</a>
 */
public record TransferLoss(
        @Default("1000.0") double mseFactor,
        @Default("0.0") double xentFactor,
        @Default("64") int xentQueries) {

    /** Outputs alone, the default. */
    static final TransferLoss OUTPUTS = new TransferLoss(1000, 0, 64);

    /**
     * @throws InvalidValueException if a value is outside its range, or nothing is left to train on
     */
    public TransferLoss {
        Checks.notNegative("mse_factor", mseFactor);
        Checks.notNegative("xent_factor", xentFactor);
        Checks.require(xentQueries >= 1, "xent_queries", "1 or more", xentQueries);
        if (mseFactor == 0 && xentFactor == 0) {
            throw new InvalidValueException(
                    "mse_factor", "0 leaves no loss, since `xent_factor` is 0 too; raise one");
        }
    }

    /**
     * @param stage the stage's key in the configuration
     * @throws InvalidValueException at {@code STAGE.xent_factor} if the method's weights can be
     *     negative, which have no logarithm
     */
    void check(String stage, AttentionSpec method) {
        boolean signed =
                method.isLinear() && method.featureMap().kind() == FeatureMapSpec.Kind.IDENTITY;
        if (xentFactor > 0 && signed) {
            throw new InvalidValueException(
                    stage + ".xent_factor",
                    "`feature_map: identity` gives weights of either sign, which are no shares to"
                            + " compare; set 0, or take a feature map without negative numbers");
        }
    }
}
