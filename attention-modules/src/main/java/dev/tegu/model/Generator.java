package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
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
 * softmax model both grow with it. A token is one script call for the whole model where {@link
 * TokenDecoder} serves it; other models go layer by layer.
 */
public final class Generator {
    /**
     * Tokens of a row in a prefill piece on a CPU; bounds memory on long prompts. A window whose
     * blocks count from the text's end must see the prompt whole, see {@link
     * ModelConfig#readsWholeText}.
     */
    private static final int CPU_PREFILL = 512;

    /** Tokens of all rows in a prefill piece on a GPU, which few tokens would not fill. */
    private static final int GPU_PREFILL_TOKENS = 16_384;

    private static final int MIN_GPU_PREFILL = 256;

    /** Tokens that are computed before one is read back, where nothing depends on them. */
    static final int BURST = 32;

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
        return decode(
                        List.of(prompt),
                        settings,
                        StopRule.NEVER,
                        true,
                        (row, token) -> onToken.accept(token))
                .get(0);
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
        return decode(prompts, settings, StopRule.NEVER, false, (row, token) -> {});
    }

    /** The most probable continuations, see {@link LanguageModel#generate}. */
    List<int[]> greedy(List<int[]> prompts, int maxNewTokens, StopRule stop) {
        Settings settings = new Settings(maxNewTokens, 0, 0, OptionalInt.empty());
        return decode(prompts, settings, stop, false, (row, token) -> {}).stream()
                .map(row -> row.tokens().stream().mapToInt(Integer::intValue).toArray())
                .toList();
    }

    /** A row of the batch that is not done. */
    private record Row(int index, List<Integer> tokens, SplittableRandom random) {
        int last() {
            return tokens.get(tokens.size() - 1);
        }
    }

    private List<Generated> decode(
            List<int[]> prompts,
            Settings settings,
            StopRule rule,
            boolean isHeard,
            Listener onToken) {
        List<Row> live = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            if (prompts.get(i).length == 0) {
                throw new IllegalArgumentException("the prompt has no tokens");
            }
            live.add(new Row(i, new ArrayList<>(), new SplittableRandom(settings.seed())));
        }
        if (live.isEmpty()) {
            return List.of();
        }
        Generated[] done = new Generated[prompts.size()];
        // While a stop or a listener may need each token, each is waited for.
        boolean isAwaited = isHeard || settings.stop().isPresent() || rule != StopRule.NEVER;
        int burst = isAwaited ? 1 : BURST;
        DecoderState prompt = model.newState();
        float[] first;
        try {
            first = prefill(prompts, prompt);
        } catch (RuntimeException e) {
            prompt.close();
            throw e;
        }
        try (Decoding decoding = decoding(model, prompt)) {
            List<int[]> coming = List.of(choose(first, live, settings));
            while (true) {
                List<Row> before = live;
                for (int[] tokens : coming) {
                    live = extend(live, tokens, settings, rule, onToken);
                }
                if (live.size() < before.size()) {
                    long share = decoding.sizeBytes() / before.size();
                    // a row that goes on is entered again when it ends
                    for (Row row : before) {
                        done[row.index()] = new Generated(List.copyOf(row.tokens()), share);
                    }
                    if (live.isEmpty()) {
                        return List.of(done);
                    }
                    decoding.keep(live.stream().mapToInt(before::indexOf).toArray());
                }
                int[] last = live.stream().mapToInt(Row::last).toArray();
                int left = settings.maxNewTokens() - live.get(0).tokens().size();
                coming =
                        settings.temperature() == 0
                                ? List.of(decoding.greedy(last, Math.min(burst, left)))
                                : List.of(choose(decoding.logits(last), live, settings));
            }
        }
    }

    /** The way that serves the model; the state is its own from now on. */
    static Decoding decoding(DecoderModel model, DecoderState state) {
        return DecodeScript.reasonAgainst(model).isPresent()
                ? new LayerwiseDecoding(model, state)
                : TokenDecoder.closing(model, state);
    }

    /** Gives each row its next token; the rows that go on after it. */
    private static List<Row> extend(
            List<Row> rows, int[] tokens, Settings settings, StopRule rule, Listener onToken) {
        List<Row> next = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            boolean isStop = settings.stop().isPresent() && settings.stop().getAsInt() == tokens[i];
            if (settings.maxNewTokens() > 0 && !isStop) {
                row.tokens().add(tokens[i]);
                onToken.accept(row.index(), tokens[i]);
                if (row.tokens().size() < settings.maxNewTokens() && !rule.ends(row.tokens())) {
                    next.add(row);
                }
            }
        }
        return next;
    }

    /** Reads prompts, padded on the left so that all end in the last piece's last column. */
    private float[] prefill(List<int[]> prompts, DecoderState state) {
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        int piece =
                model.config().readsWholeText()
                        ? longest
                        : prefillPiece(model.manager().getDevice(), prompts.size());
        float[] logits = {};
        for (int from = 0; from < longest; from += piece) {
            int to = Math.min(from + piece, longest);
            try (NDManager scope = model.manager().newSubManager()) {
                TokenBatch batch =
                        TokenBatch.padded(scope, prompts, TokenBatch.Side.LEFT, from, to);
                NDArray hidden = model.forward(batch, state);
                logits = to == longest ? model.nextToken(hidden).toFloatArray() : logits;
            }
        }
        return logits;
    }

    /** Tokens of a row in a prefill piece. */
    static int prefillPiece(Device device, int rows) {
        return device.isGpu() ? Math.max(MIN_GPU_PREFILL, GPU_PREFILL_TOKENS / rows) : CPU_PREFILL;
    }

    private int[] choose(float[] logits, List<Row> rows, Settings settings) {
        int[] tokens = new int[rows.size()];
        int vocabulary = model.vocabSize();
        for (int i = 0; i < tokens.length; i++) {
            float[] own = Arrays.copyOfRange(logits, i * vocabulary, (i + 1) * vocabulary);
            tokens[i] = choose(own, settings.temperature(), rows.get(i).random());
        }
        return tokens;
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
