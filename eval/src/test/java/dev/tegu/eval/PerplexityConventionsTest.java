package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.PerplexitySettings.Convention;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The three conventions against a second, naive way of counting: a token at a time. */
class PerplexityConventionsTest {
    private static final String TEXT =
            "It was a dark night; the rain fell in torrents, except at times.\nNobody was out.";
    private static final int POSITIONS = 64;

    private static TaskResult run(
            DecoderModel model, boolean bos, PerplexitySettings perplexity, int batch) {
        EvalSettings base = Settings.batched(Settings.of("perplexity"), batch);
        EvalSettings settings =
                new EvalSettings(
                        base.tasks(),
                        base.limit(),
                        perplexity,
                        base.needle(),
                        base.recall(),
                        base.batchSize(),
                        base.seed());
        EvalInput input = new EvalInput(model, new CharTokenizer(bos), Settings.text(TEXT));
        return EvalTasks.named("perplexity").run(input, settings, EvalProgress.NONE);
    }

    private static DecoderModel tiny() throws IOException {
        ObjectNode config = TinyModels.config(true);
        config.put("num_hidden_layers", 2)
                .put("vocab_size", 129)
                .put("max_position_embeddings", POSITIONS);
        return TinyModels.random(config, 3);
    }

    /** NLL of one token after exactly these, alone in a batch. */
    private static double loss(DecoderModel model, List<Integer> before, int token) {
        int[] ids = new int[before.size() + 1];
        for (int i = 0; i < before.size(); i++) {
            ids[i] = before.get(i);
        }
        ids[before.size()] = token;
        float[] logProbs = model.score(List.<int[]>of(ids)).get(0).logProbs();
        return -logProbs[logProbs.length - 1];
    }

    /** What stands before token {@code t} of the text, worked out from the conventions' words. */
    private static List<Integer> before(
            Convention convention, int[] ids, int t, boolean bos, int context, int stride) {
        List<Integer> before = new ArrayList<>();
        int from;
        if (convention == Convention.DISJOINT) {
            from = t - t % (context - 1);
            if (bos) {
                before.add(0);
            }
        } else if (convention == Convention.HARNESS) {
            from = t - t % context;
            if (from > 0 && from + context > ids.length) {
                from = ids.length - context;
            }
            before.add(from == 0 ? 0 : ids[from - 1]);
        } else {
            // The first window that reaches over the token, of a text that may begin with BOS.
            int lead = bos ? 1 : 0;
            int at = t + lead;
            int begin = 0;
            while (begin + context <= at) {
                begin += stride;
            }
            from = Math.max(begin - lead, 0);
            if (bos && begin == 0) {
                before.add(0);
            }
        }
        for (int i = from; i < t; i++) {
            before.add(ids[i]);
        }
        return before;
    }

    @ParameterizedTest
    @CsvSource({
        "DISJOINT, true, 16, 0",
        "DISJOINT, false, 16, 0",
        "HARNESS, true, 16, 0",
        "HARNESS, false, 7, 0",
        "HARNESS, true, 64, 0",
        "STRIDED, true, 16, 5",
        "STRIDED, false, 16, 1",
        "STRIDED, true, 64, 32",
        "STRIDED, false, 20, 20"
    })
    void equalsTheNaiveCount(Convention convention, boolean bos, int context, int stride)
            throws IOException {
        Optional<Integer> given = stride == 0 ? Optional.empty() : Optional.of(stride);
        int[] ids = new CharTokenizer(bos).encode(TEXT, false);
        try (DecoderModel model = tiny()) {
            double sum = 0;
            int count = 0;
            for (int t = 0; t < ids.length; t++) {
                List<Integer> before = before(convention, ids, t, bos, context, stride);
                if (!before.isEmpty()) {
                    sum += loss(model, before, ids[t]);
                    count++;
                }
            }

            TaskResult result =
                    run(model, bos, new PerplexitySettings(context, 1_000, convention, given), 3);

            assertEquals(count, result.scoredTokens());
            assertEquals(sum / count, result.metric("token_nll").value(), 1e-4);
            boolean hasWords =
                    result.metrics().stream().anyMatch(m -> m.name().equals("word_perplexity"));
            boolean ratesAll = count >= ids.length - 1;
            assertEquals(ratesAll, hasWords);
            if (hasWords) {
                int words = TEXT.split("\\s+").length;
                assertEquals(sum / words, Math.log(result.metric("word_perplexity").value()), 1e-4);
                assertEquals(
                        sum / TEXT.length() / Math.log(2),
                        result.metric("bits_per_byte").value(),
                        1e-4);
                assertEquals(
                        Math.exp(sum / TEXT.length()),
                        result.metric("byte_perplexity").value(),
                        1e-3);
            }
            TaskResult inOnes =
                    run(model, bos, new PerplexitySettings(context, 1_000, convention, given), 1);
            assertEquals(
                    result.metric("token_nll").value(), inOnes.metric("token_nll").value(), 1e-5);
        }
    }

    @Test
    void ofACutTextTheWordsOfTheCutCount() throws IOException {
        try (DecoderModel model = tiny()) {
            TaskResult result = run(model, true, new PerplexitySettings(8, 14), 2);

            // "It was a dark "
            double sum = result.metric("token_nll").value() * 14;
            assertEquals(
                    Math.exp(sum / 5),
                    result.metric("word_perplexity").value(),
                    1e-6 * Math.exp(sum / 5));
            assertEquals("It was ", result.samples().get(0).target());
            assertEquals(7.0, result.samples().get(0).weights().get("token_nll"));
        }
    }

    @Test
    void aStrideIsForStridedWindowsAndNotLongerThanOne() {
        assertThrows(
                InvalidValueException.class,
                () -> new PerplexitySettings(8, 9, Convention.HARNESS, Optional.of(4)));
        assertThrows(
                InvalidValueException.class,
                () -> new PerplexitySettings(8, 9, Convention.STRIDED, Optional.of(9)));
        assertEquals(
                List.of(4, 2, 2),
                TextWindows.strided(new int[] {1, 2, 3, 4, 5, 6, 7, 8}, new int[0], 4, 2).stream()
                        .map(
                                window ->
                                        window.ids().length
                                                - window.scoredFrom()
                                                + (window.scoredFrom() == 1 ? 1 : 0))
                        .toList());
    }

    @Test
    void rollingWindowsAreTheHarnesses() {
        // get_rolling_token_windows(range(10), prefix 100, max_seq_len 4, context_len 1) after
        // make_disjoint_window, input and the last predicted token joined
        List<String> windows =
                TextWindows.rolling(new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100, 4).stream()
                        .map(window -> Arrays.toString(window.ids()))
                        .toList();

        assertEquals(
                List.of(4, 4, 2),
                TextWindows.rolling(new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100, 4).stream()
                        .map(TextWindows.Window::scored)
                        .toList());
        assertEquals(List.of("[100, 0, 1, 2, 3]", "[3, 4, 5, 6, 7]", "[5, 6, 7, 8, 9]"), windows);
        assertTrue(TextWindows.rolling(new int[0], 100, 4).isEmpty());
        assertFalse(TextWindows.disjoint(new int[] {1}, new int[] {0}, 4).isEmpty());
    }
}
