package dev.tegu.model;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
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
    /**
     * Tokens of a prefill piece; bounds memory on long prompts. A window whose blocks count from
     * the text's end must see the prompt whole, see {@link ModelConfig#readsWholeText}.
     */
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
     * @param stateBytes bytes of memory between tokens, at the end; of a batch, the row's share
     */
    public record Generated(List<Integer> tokens, long stateBytes) {}

    /** Called with each new token as it appears. */
    private interface Listener {
        void accept(int row, int token);
    }

    /**
     * @param prompt at least one token id
     * @param onToken called with each new token as it appears
     */
    public Generated generate(int[] prompt, Settings settings, IntConsumer onToken) {
        return decode(List.of(prompt), settings, (row, token) -> onToken.accept(token)).get(0);
    }

    /**
     * Continues several prompts at once, of any lengths; each result is the one of its prompt
     * alone, but for rounding. A row that is done leaves the batch.
     *
     * @param prompts each at least one token id
     * @param settings for every row, the seed too
     * @return in the order of the prompts
     */
    public List<Generated> generate(List<int[]> prompts, Settings settings) {
        return decode(prompts, settings, (row, token) -> {});
    }

    /** A row of the batch that is not done. */
    private record Row(int index, List<Integer> tokens, SplittableRandom random) {}

    private List<Generated> decode(List<int[]> prompts, Settings settings, Listener onToken) {
        List<Row> live = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            if (prompts.get(i).length == 0) {
                throw new IllegalArgumentException("the prompt has no tokens");
            }
            live.add(new Row(i, new ArrayList<>(), new SplittableRandom(settings.seed())));
        }
        Generated[] done = new Generated[prompts.size()];
        DecoderState state = model.newState();
        try {
            float[] logits = prefill(prompts, state);
            while (!live.isEmpty()) {
                List<Row> next = new ArrayList<>();
                List<Integer> kept = new ArrayList<>();
                for (int i = 0; i < live.size(); i++) {
                    Row row = live.get(i);
                    if (extend(row, logits, i * model.vocabSize(), settings, onToken)) {
                        next.add(row);
                        kept.add(i);
                    } else {
                        long bytes = state.sizeBytes() / live.size();
                        done[row.index()] = new Generated(List.copyOf(row.tokens()), bytes);
                    }
                }
                if (!next.isEmpty() && next.size() < live.size()) {
                    DecoderState fewer =
                            state.select(kept.stream().mapToInt(Integer::intValue).toArray());
                    state.close();
                    state = fewer;
                }
                live = next;
                if (!live.isEmpty()) {
                    logits = read(lastTokens(live), state, 0, 1);
                }
            }
        } finally {
            state.close();
        }
        return List.of(done);
    }

    /** Gives a row its next token; whether it goes on after it. */
    private boolean extend(
            Row row, float[] logits, int offset, Settings settings, Listener onToken) {
        if (settings.maxNewTokens() == 0) {
            return false;
        }
        int vocabulary = model.vocabSize();
        float[] own = Arrays.copyOfRange(logits, offset, offset + vocabulary);
        int token = choose(own, settings.temperature(), row.random());
        if (settings.stop().isPresent() && settings.stop().getAsInt() == token) {
            return false;
        }
        row.tokens().add(token);
        onToken.accept(row.index(), token);
        return row.tokens().size() < settings.maxNewTokens();
    }

    private static List<int[]> lastTokens(List<Row> rows) {
        return rows.stream()
                .map(row -> new int[] {row.tokens().get(row.tokens().size() - 1)})
                .toList();
    }

    /** Reads prompts, padded on the left so that all end in the last piece's last column. */
    private float[] prefill(List<int[]> prompts, DecoderState state) {
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        int piece = model.config().readsWholeText() ? longest : PREFILL;
        float[] logits = {};
        for (int from = 0; from < longest; from += piece) {
            logits = read(prompts, state, from, Math.min(from + piece, longest));
        }
        return logits;
    }

    /** Logits after column {@code to - 1} of the left-padded rows, [B, V] row by row. */
    private float[] read(List<int[]> rows, DecoderState state, int from, int to) {
        try (NDManager scope = model.manager().newSubManager()) {
            TokenBatch batch = TokenBatch.padded(scope, rows, TokenBatch.Side.LEFT, from, to);
            return model.nextToken(model.forward(batch, state)).toFloatArray();
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
