package dev.tegu.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/**
 * Rotary position embedding, in the "rotate half" convention.
 *
 * @param theta base of the frequencies
 * @param type default, linear, llama3, or longrope, whose factors are {@link
 *     DecoderSwitches.LongRope}
 * @param factor how much longer the context became (linear, llama3)
 * @param lowFreqFactor llama3: waves longer than original / this are stretched whole
 * @param highFreqFactor llama3: waves shorter than original / this stay
 * @param originalMaxPositions llama3: context before stretching
 */
public record RopeConfig(
        double theta,
        String type,
        double factor,
        double lowFreqFactor,
        double highFreqFactor,
        int originalMaxPositions) {

    /**
     * Reads either spelling: {@code rope_parameters}, or {@code rope_theta} with {@code
     * rope_scaling} (whose kind is {@code rope_type} or, older, {@code type}).
     */
    static RopeConfig parse(ModelConfig.Reader top, int maxPositions) {
        ObjectNode json = top.json();
        String block = json.hasNonNull("rope_parameters") ? "rope_parameters" : "rope_scaling";
        if (!json.hasNonNull(block)) {
            return new RopeConfig(top.numberOr("rope_theta", 10_000), "default", 1, 1, 1, 1);
        }
        ModelConfig.Reader in =
                new ModelConfig.Reader(
                        top.object(block), top.source() + ": `" + block + "`", Map.of());
        String type = in.textOr("rope_type", in.textOr("type", "default"));
        double theta = in.numberOr("rope_theta", top.numberOr("rope_theta", 10_000));
        return switch (type) {
            case "default", "longrope", "su" -> new RopeConfig(theta, type, 1, 1, 1, 1);
            case "linear" -> new RopeConfig(theta, type, in.number("factor"), 1, 1, 1);
            case "llama3" ->
                    new RopeConfig(
                            theta,
                            type,
                            in.number("factor"),
                            in.number("low_freq_factor"),
                            in.number("high_freq_factor"),
                            in.integerOr("original_max_position_embeddings", maxPositions));
            default ->
                    throw in.error(
                            "rope_type",
                            "`"
                                    + type
                                    + "` is not known; known: default, linear, llama3, longrope");
        };
    }

    /**
     * Angle per position of each pair of coordinates.
     *
     * @param headDim rotated width D of a head, even
     * @return D / 2 frequencies in radians per token
     * @see <a href="https://arxiv.org/abs/2104.09864">RoFormer, equation 15</a>
     */
    double[] frequencies(int headDim) {
        double[] frequencies = new double[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = Math.pow(theta, -2.0 * i / headDim);
            frequencies[i] =
                    switch (type) {
                        case "linear" -> frequency / factor;
                        case "llama3" -> llama3(frequency);
                        default -> frequency;
                    };
        }
        return frequencies;
    }

    /**
     * Whether a type is the one whose frequencies depend on the text's length; "su" was its name.
     */
    static boolean isLong(String type) {
        return type.equals("longrope") || type.equals("su");
    }

    /** Long waves are stretched by the factor, short ones stay, those between are blended. */
    private double llama3(double frequency) {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < originalMaxPositions / highFreqFactor) {
            return frequency;
        }
        if (wavelength > originalMaxPositions / lowFreqFactor) {
            return frequency / factor;
        }
        double smooth =
                (originalMaxPositions / wavelength - lowFreqFactor)
                        / (highFreqFactor - lowFreqFactor);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }
}
