package dev.tegu.eval;

import dev.tegu.model.StopRule;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * Lets a model write: greedy decoding in batches of similar length, until a word, the end-of-text
 * token or a number of tokens.
 */
public final class TextGenerator {
    /**
     * What the model wrote.
     *
     * @param text without what ended it
     * @param tokens new tokens that it took, those that ended it included
     */
    public record Written(String text, int tokens) {}

    private final EvalInput input;
    private final BatchScorer scorer;
    private final int maxNewTokens;
    private final List<String> until;

    /**
     * @param input its model writes and its cache is asked first
     * @param batchSize prompts given to the model at once, 1 or more
     * @param task name for progress and errors
     * @param maxNewTokens tokens of an answer at most, 1 or more
     * @param until texts that end an answer, none if only the end-of-text token does
     */
    public TextGenerator(
            EvalInput input,
            int batchSize,
            String task,
            EvalProgress progress,
            int maxNewTokens,
            List<String> until) {
        this.input = input;
        this.scorer = new BatchScorer(input, batchSize, task, progress);
        this.maxNewTokens = maxNewTokens;
        this.until = List.copyOf(until);
    }

    /**
     * Continues prompts.
     *
     * @param prompts token ids, each at least one token
     * @return one entry a prompt, in order
     */
    public BatchScorer.Scored<Written> write(List<int[]> prompts) {
        StopRule rule = this::isDone;
        BatchScorer.Scored<int[]> scored =
                scorer.inBatches(
                        prompts,
                        new Tokens("write " + maxNewTokens + " until " + until),
                        batch ->
                                input.model()
                                        .generate(
                                                batch.stream().map(prompts::get).toList(),
                                                maxNewTokens,
                                                rule),
                        (answer, index) -> scorer.checkIds(answer));
        return new BatchScorer.Scored<>(
                scored.scores().stream().map(this::written).toList(), scored.timing());
    }

    private boolean isDone(List<Integer> tokens) {
        OptionalInt end = input.tokenizer().eosId();
        if (end.isPresent() && tokens.get(tokens.size() - 1) == end.getAsInt()) {
            return true;
        }
        if (until.isEmpty()) {
            return false;
        }
        String text = text(tokens.stream().mapToInt(Integer::intValue).toArray());
        return until.stream().anyMatch(text::contains);
    }

    private Written written(int[] tokens) {
        String text = text(tokens);
        for (String end : until) {
            int at = text.indexOf(end);
            text = at < 0 ? text : text.substring(0, at);
        }
        return new Written(text, tokens.length);
    }

    private String text(int[] tokens) {
        TextTokenizer tokenizer = input.tokenizer();
        boolean isEnded =
                tokens.length > 0
                        && tokenizer.eosId().isPresent()
                        && tokens[tokens.length - 1] == tokenizer.eosId().getAsInt();
        int[] own = isEnded ? Arrays.copyOf(tokens, tokens.length - 1) : tokens;
        return tokenizer.decode(own, true);
    }

    /** Answers are kept as their token ids. */
    private record Tokens(String name) implements BatchScorer.Kind<int[]> {
        @Override
        public double[] numbers(int[] answer) {
            return Arrays.stream(answer).asDoubleStream().toArray();
        }

        @Override
        public int[] answer(double[] numbers) {
            return Arrays.stream(numbers).mapToInt(number -> (int) number).toArray();
        }
    }
}
