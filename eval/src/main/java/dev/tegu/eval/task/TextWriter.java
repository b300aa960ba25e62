package dev.tegu.eval.task;

import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.model.StopRule;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** Lets the model write on, greedily, until a text that ends the answer. */
public final class TextWriter {
    private final EvalInput input;
    private final TaskSpec.GenerationKwargs how;

    /**
     * @param input its model writes, its cache is asked first
     * @param how until what, and how long at most
     */
    public TextWriter(EvalInput input, TaskSpec.GenerationKwargs how) {
        this.input = input;
        this.how = how;
    }

    /**
     * How written tokens are kept.
     *
     * @param name with all that they depend on
     */
    private record Tokens(String name) implements BatchScorer.Kind<int[]> {
        @Override
        public double[] numbers(int[] answer) {
            return IntStream.of(answer).asDoubleStream().toArray();
        }

        @Override
        public int[] answer(double[] numbers) {
            int[] ids = new int[numbers.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = (int) numbers[i];
            }
            return ids;
        }
    }

    /**
     * What the model writes after each prompt, in order: up to the first of the ending texts, the
     * end of the text, or the greatest number of tokens.
     */
    public BatchScorer.Scored<String> write(
            List<int[]> prompts, int batchSize, String task, EvalProgress progress) {
        TextTokenizer tokenizer = input.tokenizer();
        StopRule stop =
                tokens -> {
                    int last = tokens.get(tokens.size() - 1);
                    return tokenizer.eosId().equals(OptionalInt.of(last))
                            || ends(text(tokens.stream().mapToInt(i -> i).toArray()));
                };
        BatchScorer.Scored<int[]> scored =
                new BatchScorer(input, batchSize, task, progress)
                        .inBatches(
                                prompts,
                                new Tokens("write " + how.maxGenToks() + " until " + how.until()),
                                batch ->
                                        input.model()
                                                .generate(
                                                        batch.stream().map(prompts::get).toList(),
                                                        how.maxGenToks(),
                                                        stop),
                                (answer, i) -> {});
        return new BatchScorer.Scored<>(
                scored.scores().stream().map(ids -> cut(text(ids))).toList(), scored.timing());
    }

    private String text(int[] ids) {
        return input.tokenizer().decode(ids, true);
    }

    private boolean ends(String text) {
        return how.until().stream().anyMatch(text::contains);
    }

    private String cut(String text) {
        int end =
                how.until().stream()
                        .mapToInt(text::indexOf)
                        .filter(at -> at >= 0)
                        .min()
                        .orElse(text.length());
        return text.substring(0, end);
    }
}
