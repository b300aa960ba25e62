package dev.tegu.model;

import java.util.List;
import java.util.Optional;

/**
 * What of a decoder differs from family to family, as one model has it.
 *
 * @param parallel whether attention and MLP read the same residual stream
 * @param headBias whether the head has a bias
 * @param embedScale what embeddings are multiplied by
 * @param queryFactor what queries are multiplied by, so that scores may be divided by sqrt(D)
 * @param rotaryDims how many dimensions of a head are rotated, even; 0: none
 * @param longRope frequencies that depend on the text's length
 * @param attentionSoftcap cap of the scores of softmax attention; 0: none
 * @param finalSoftcap cap of the logits; 0: none
 * @param windows how many tokens softmax attention sees in each layer; 0: all
 * @param experts how many MLPs a layer has; 0: one, without a router
 * @param expertsPerToken how many of them a token takes
 */
public record DecoderSwitches(
        boolean parallel,
        boolean headBias,
        double embedScale,
        double queryFactor,
        int rotaryDims,
        Optional<LongRope> longRope,
        double attentionSoftcap,
        double finalSoftcap,
        List<Integer> windows,
        int experts,
        int expertsPerToken) {

    /**
     * Frequencies of texts up to a length, and of longer ones.
     *
     * @param original that length
     * @param shortFactors what the shorter texts' frequencies are divided by, one a frequency
     * @param longFactors the same of longer texts
     * @param scale what cosines and sines are multiplied by
     * @see <a href="https://arxiv.org/abs/2402.13753">LongRoPE</a>
     */
    public record LongRope(
            int original, List<Double> shortFactors, List<Double> longFactors, double scale) {}
}
