package dev.tegu.eval.recall;

import dev.tegu.eval.CharTokenizer;
import dev.tegu.model.LanguageModel;
import dev.tegu.model.StopRule;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/** Answers by reading the last characters of a prompt, over {@link CharTokenizer}'s ids. */
final class ReadingModel implements LanguageModel {
    static final CharTokenizer TOKENIZER = new CharTokenizer(true);

    final List<String> prompts = new ArrayList<>();
    private final int positions;
    private final int window;
    private final UnaryOperator<String> answer;

    /**
     * @param window characters that it sees
     * @param answer of what it sees
     */
    ReadingModel(int positions, int window, UnaryOperator<String> answer) {
        this.positions = positions;
        this.window = window;
        this.answer = answer;
    }

    @Override
    public int vocabSize() {
        return 129;
    }

    @Override
    public int maxPositions() {
        return positions;
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences) {
        throw new AssertionError("asked to rate");
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences, List<int[]> targets) {
        throw new AssertionError("asked to rate");
    }

    @Override
    public List<int[]> generate(List<int[]> all, int maxNewTokens, StopRule stop) {
        return all.stream().map(prompt -> write(prompt, maxNewTokens, stop)).toList();
    }

    private int[] write(int[] prompt, int maxNewTokens, StopRule stop) {
        String text = TOKENIZER.decode(prompt, true);
        prompts.add(text);
        String seen = text.substring(Math.max(0, text.length() - window));
        int[] whole = TOKENIZER.encode(answer.apply(seen), false);
        int length = Math.min(maxNewTokens, whole.length);
        for (int i = 1; i <= length; i++) {
            if (stop.ends(IntStream.of(Arrays.copyOf(whole, i)).boxed().toList())) {
                return Arrays.copyOf(whole, i);
            }
        }
        return Arrays.copyOf(whole, length);
    }
}
