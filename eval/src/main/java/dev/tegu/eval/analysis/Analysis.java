package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.WindowSpec;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalProgress;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Compares a student with its teacher, layer by layer and head by head.
 *
 * <p>One sequence at a time, each through both models; nothing is trained or changed. Beside the
 * models, memory O(T M) for residual streams of T tokens and blocks of 4 million float32 numbers
 * (64 million on a GPU) of logits and of attention weights, a few at a time. Time of one sequence
 * is that of 2 L + 8 passes for L layers, and O(T^2) for the teacher's weights.
 */
public final class Analysis {
    private final AnalysisTexts texts;
    private final AnalysisSettings settings;

    private Analysis(AnalysisTexts texts, AnalysisSettings settings) {
        this.texts = texts;
        this.settings = settings;
    }

    /**
     * Makes the sequences and the needles, before any weight is read.
     *
     * @param tokenizer that both models were trained with
     * @param data the text
     * @throws dev.tegu.config.InvalidValueException if it is too short for what is asked
     */
    public static Analysis of(
            TextTokenizer tokenizer,
            EvalData data,
            AnalysisSettings settings,
            ModelConfig teacher,
            ModelConfig student) {
        int positions = Math.min(teacher.maxPositions(), student.maxPositions());
        return new Analysis(AnalysisTexts.of(tokenizer, data, settings, positions), settings);
    }

    /**
     * Why two models cannot be compared.
     *
     * @return what is wrong, empty if nothing is
     */
    public static Optional<String> misfit(ModelConfig teacher, ModelConfig student) {
        if (teacher.linearAttention().isPresent()) {
            return Optional.of(
                    "expected the softmax model that the student was made of, found a student;"
                            + " name the teacher's directory");
        }
        String theirs = sizes(teacher);
        String own = sizes(student);
        return theirs.equals(own)
                ? Optional.empty()
                : Optional.of(
                        ("expected the student's sizes, " + own + ", found " + theirs)
                                + "; the student was made of another model");
    }

    private static String sizes(ModelConfig config) {
        return config.numLayers()
                + " layers, "
                + config.shape().numHeads()
                + " heads of "
                + config.shape().headDim()
                + ", hidden "
                + config.shape().hiddenSize()
                + ", vocabulary "
                + config.vocabSize();
    }

    /**
     * Measures.
     *
     * @param teacher the softmax model, of the student's sizes, see {@link #misfit}
     * @param student on the same device, with its adapters if it has any
     * @throws IllegalArgumentException if they do not fit, or a token is not in their vocabulary
     * @throws IllegalStateException if a prediction is not a number
     */
    public AnalysisResult run(DecoderModel teacher, DecoderModel student, EvalProgress progress) {
        return run(teacher, student, ModelPair.blockOf(student), progress);
    }

    /** In blocks of the given number of logits or attention weights. */
    AnalysisResult run(
            DecoderModel teacher, DecoderModel student, int block, EvalProgress progress) {
        misfit(teacher.config(), student.config())
                .ifPresent(
                        message -> {
                            throw new IllegalArgumentException("teacher: " + message);
                        });
        checkIds(student.vocabSize());
        try (AnalysisScript script = new AnalysisScript();
                NDManager owner = student.manager().newSubManager()) {
            return run(new ModelPair(teacher, student, script, block), owner, progress);
        }
    }

    private void checkIds(int vocabulary) {
        List<int[]> all = new ArrayList<>(texts.sequences());
        texts.needles().forEach(needle -> all.add(needle.ids()));
        for (int[] tokens : all) {
            for (int id : tokens) {
                if (id < 0 || id >= vocabulary) {
                    throw new IllegalArgumentException(
                            "token id "
                                    + id
                                    + " is not in the models' vocabulary of "
                                    + vocabulary
                                    + "; the tokenizer belongs to another model");
                }
            }
        }
    }

    private AnalysisResult run(ModelPair models, NDManager owner, EvalProgress progress) {
        LayerErrors errors = new LayerErrors(models);
        Ablations ablations = new Ablations(models);
        Predictions predictions = new Predictions(models);
        Needles needles = new Needles(models, ablations);
        int total = texts.sequences().size();
        progress.update("text", 0, total);
        for (int i = 0; i < total; i++) {
            int[] tokens = texts.sequences().get(i);
            try (NDManager scope = owner.newSubManager()) {
                NDArray ids = ModelPair.ids(scope, tokens);
                NDArray theirs = errors.read(ids);
                NDArray own = ablations.read(ids, tokens);
                predictions.add(theirs, own, tokens);
            }
            progress.update("text", i + 1, total);
        }
        for (int i = 0; i < texts.needles().size(); i++) {
            if (i == 0) {
                progress.update("needles", 0, texts.needles().size());
            }
            needles.read(owner, texts.needles().get(i));
            progress.update("needles", i + 1, texts.needles().size());
        }
        AnalysisResult.Agreement agreement = predictions.result();
        return new AnalysisResult(
                new AnalysisResult.Read(
                        texts.names(), texts.context(), total, texts.hasBos(), settings),
                window(models.student().config()),
                agreement,
                errors.results(),
                needles.result(),
                whole(agreement.mean(), ablations, needles),
                ablations.results());
    }

    private static Optional<WindowSpec> window(ModelConfig student) {
        return student.linearAttention()
                .map(AttentionSpec::window)
                .filter(window -> window.size() > 0);
    }

    private static List<AnalysisResult.Variant> whole(
            AnalysisResult.Comparison mean, Ablations ablations, Needles needles) {
        List<AnalysisResult.Variant> whole = new ArrayList<>();
        whole.add(
                new AnalysisResult.Variant(
                        "teacher", mean.teacherNll(), needles.teacherAccuracy()));
        whole.add(
                new AnalysisResult.Variant(
                        "student", mean.studentNll(), needles.studentAccuracy()));
        for (Ablations.Variant variant : ablations.variants()) {
            whole.add(
                    new AnalysisResult.Variant(
                            variant.word(), ablations.whole(variant), needles.accuracy(variant)));
        }
        return whole;
    }
}
