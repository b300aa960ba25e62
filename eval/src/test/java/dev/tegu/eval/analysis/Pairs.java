package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalProgress;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/** Tiny teachers, students of the same frozen weights, and texts for both. */
final class Pairs {
    static final int TOKENS = 40;
    static final int SEQUENCES = 2;
    static final int VOCABULARY = 129;

    private Pairs() {}

    static ObjectNode config() throws IOException {
        return TinyModels.config(false)
                .put("vocab_size", VOCABULARY)
                .put("max_position_embeddings", 600);
    }

    static DecoderModel teacher() throws IOException {
        return TinyModels.random(config(), 3);
    }

    /** A student of a preset's method or of switches, with a window where there is one. */
    static DecoderModel student(String method, int window) throws IOException {
        AttentionSpec spec =
                method.startsWith("{")
                        ? TinyModels.spec(method)
                        : ConfigBinder.bind(
                                AttentionPresets.node(method)
                                        .with("window.size", String.valueOf(window), "test"),
                                AttentionSpec.class);
        return student(spec, 3);
    }

    /** A student with other weights than the teacher's where the seed is not 3. */
    static DecoderModel student(AttentionSpec spec, long seed) throws IOException {
        return TinyModels.random(StudentConfig.of(config(), "config.json", spec), seed);
    }

    static EvalData text() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            text.append("Cart ").append(i * 37 % 101).append(" was ");
            text.append((char) ('a' + i % 26)).append("reen. ");
        }
        return new EvalData(List.of(new EvalData.NamedText("a.txt", text.toString())));
    }

    static AnalysisSettings settings(int needles) {
        return new AnalysisSettings(TOKENS, SEQUENCES, needles, 100, 5);
    }

    static AnalysisTexts texts(int needles) {
        return AnalysisTexts.of(new CharTokenizer(true), text(), settings(needles), 600);
    }

    static AnalysisResult analyse(DecoderModel teacher, DecoderModel student, int needles) {
        return analysis(teacher, student, needles).run(teacher, student, EvalProgress.NONE);
    }

    static Analysis analysis(DecoderModel teacher, DecoderModel student, int needles) {
        return Analysis.of(
                new CharTokenizer(true),
                text(),
                settings(needles),
                teacher.config(),
                student.config());
    }

    static NDArray ids(NDManager owner, int[] tokens) {
        return owner.create(
                Arrays.stream(tokens).asLongStream().toArray(), new Shape(1, tokens.length));
    }

    /** Log-probabilities of every position of a text, in doubles. */
    static double[][] logProbs(DecoderModel model, int[] tokens) {
        try (NDManager scope = model.manager().newSubManager()) {
            return logProbs(model, model.forward(ids(scope, tokens)), tokens.length);
        }
    }

    static double[][] logProbs(DecoderModel model, NDArray hidden, int length) {
        float[] logits = model.logits(hidden).toFloatArray();
        double[][] found = new double[length][VOCABULARY];
        for (int t = 0; t < length; t++) {
            double total = 0;
            for (int v = 0; v < VOCABULARY; v++) {
                total += Math.exp(logits[t * VOCABULARY + v]);
            }
            for (int v = 0; v < VOCABULARY; v++) {
                found[t][v] = logits[t * VOCABULARY + v] - Math.log(total);
            }
        }
        return found;
    }

    /** Mean loss of every token but the first, over all texts. */
    static double loss(List<double[][]> logProbs, List<int[]> sequences) {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < sequences.size(); i++) {
            for (int t = 0; t + 1 < sequences.get(i).length; t++) {
                sum -= logProbs.get(i)[t][sequences.get(i)[t + 1]];
                count++;
            }
        }
        return sum / count;
    }

    static int best(double[] values) {
        int best = 0;
        for (int v = 1; v < values.length; v++) {
            best = values[v] > values[best] ? v : best;
        }
        return best;
    }
}
