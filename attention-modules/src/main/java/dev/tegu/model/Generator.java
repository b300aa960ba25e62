package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/**
 * Produces text: prefill in pieces, then token by token from a state.
 *
 * <p>For a student memory and time a token do not depend on how much was read or written; for a
 * softmax model both grow with it.
 */
public final class Generator {
    /** Tokens of a prefill piece; bounds memory on long prompts. */
    private static final int PREFILL = 512;

    private final DecoderModel model;

    /** A generator for one model. */
    public Generator(DecoderModel model) {
        this.model = model;
    }

    /**
     * How to choose tokens.
     *
     * @param maxNewTokens how many at most
     * @param temperature 0: always the most probable; otherwise logits are divided by it before
     *     sampling
     * @param seed decides what is sampled
     * @param stop token that ends the text, not given out
     */
    public record Settings(int maxNewTokens, double temperature, long seed, OptionalInt stop) {}

    /**
     * What a run cost.
     *
     * @param tokens the new tokens
     * @param stateBytes bytes of memory between tokens, at the end
     */
    public record Generated(List<Integer> tokens, long stateBytes) {}

    /**
     * @param prompt at least one token id
     * @param onToken called with each new token as it appears
     */
    public Generated generate(int[] prompt, Settings settings, IntConsumer onToken) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt has no tokens");
        }
        List<Integer> tokens = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(settings.seed());
        try (DecoderState state = model.newState()) {
            float[] logits = null;
            for (int from = 0; from < prompt.length; from += PREFILL) {
                int size = Math.min(PREFILL, prompt.length - from);
                long[] piece = new long[size];
                for (int i = 0; i < size; i++) {
                    piece[i] = prompt[from + i];
                }
                logits = next(piece, state);
            }
            while (tokens.size() < settings.maxNewTokens()) {
                int token = choose(logits, settings.temperature(), random);
                if (settings.stop().isPresent() && settings.stop().getAsInt() == token) {
                    break;
                }
                tokens.add(token);
                onToken.accept(token);
                if (tokens.size() < settings.maxNewTokens()) {
                    logits = next(new long[] {token}, state);
                }
            }
            return new Generated(List.copyOf(tokens), state.sizeBytes());
        }
    }

    private float[] next(long[] ids, DecoderState state) {
        try (NDManager scope = model.manager().newSubManager()) {
            NDArray hidden = model.forward(scope.create(ids, new Shape(1, ids.length)), state);
            return model.nextToken(hidden).toFloatArray();
        }
    }

    private static int choose(float[] logits, double temperature, SplittableRandom random) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        if (temperature == 0) {
            return best;
        }
        double[] weights = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < logits.length; i++) {
            weights[i] = Math.exp((logits[i] - logits[best]) / temperature);
            sum += weights[i];
        }
        double left = random.nextDouble() * sum;
        for (int i = 0; i < logits.length; i++) {
            left -= weights[i];
            if (left < 0) {
                return i;
            }
        }
        return best;
    }
}
