package dev.tegu.eval.analysis;

import dev.tegu.attention.WindowSpec;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What an analysis found; {@code docs/analysis.md} says how each number is made. Losses,
 * divergences and entropies are in nats.
 *
 * @param read what was read
 * @param window the student's, absent where it has none
 * @param agreement of the predictions
 * @param layers in order
 * @param retrieval absent where no needles were asked for
 * @param whole variants of the models, the teacher and the student first
 * @param byLayer one layer changed at a time, in order
 */
public record AnalysisResult(
        Read read,
        Optional<WindowSpec> window,
        Agreement agreement,
        List<Layer> layers,
        Optional<Retrieval> retrieval,
        List<Variant> whole,
        List<LayerVariants> byLayer) {

    /** Copies the lists. */
    public AnalysisResult {
        layers = List.copyOf(layers);
        whole = List.copyOf(whole);
        byLayer = List.copyOf(byLayer);
    }

    /**
     * What was read.
     *
     * @param texts names of the texts
     * @param context tokens of each sequence
     * @param sequences number of them
     * @param hasBos whether each begins with the mark of a beginning
     * @param settings what was asked for
     */
    public record Read(
            List<String> texts,
            int context,
            int sequences,
            boolean hasBos,
            AnalysisSettings settings) {
        /** Copies the list. */
        public Read {
            texts = List.copyOf(texts);
        }
    }

    /**
     * Means over predictions.
     *
     * @param count predictions
     * @param teacherNll the teacher's loss
     * @param studentNll the student's
     * @param kl KL(teacher || student)
     * @param top1Agreement share of those where the most probable tokens are the same
     */
    public record Comparison(
            long count, double teacherNll, double studentNll, double kl, double top1Agreement) {}

    /**
     * The predictions whose number is in a range.
     *
     * @param from first number
     * @param to one past the last
     */
    public record Bin(int from, int to, Comparison comparison) {}

    /**
     * @param mean over all predictions
     * @param byPosition by the position of the token that predicts
     * @param byDistance by how many tokens up to that one the student's window does not show it
     */
    public record Agreement(Comparison mean, List<Bin> byPosition, List<Bin> byDistance) {
        /** Copies the lists. */
        public Agreement {
            byPosition = List.copyOf(byPosition);
            byDistance = List.copyOf(byDistance);
        }
    }

    /**
     * One head of a layer.
     *
     * @param relativeMse squared error of its outputs over the square of the teacher's
     * @param cosine mean cosine of student's and teacher's outputs
     * @param entropy mean entropy of the teacher's weights
     * @param weightBeyondWindow mean share of the teacher's weights on what the student's window
     *     does not show; absent in softmax layers
     */
    public record Head(
            int layer,
            int head,
            double relativeMse,
            double cosine,
            double entropy,
            OptionalDouble weightBeyondWindow) {}

    /**
     * One layer, given the teacher's inputs.
     *
     * @param isLinear whether its attention is linearized
     * @param relativeMse of all its heads' outputs
     * @param cosine mean of the heads'
     * @param updateRelativeMse squared error of the residual stream after it over the square of
     *     what the teacher's layer adds
     */
    public record Layer(
            int layer,
            boolean isLinear,
            double relativeMse,
            double cosine,
            double updateRelativeMse,
            List<Head> heads) {
        /** Copies the list. */
        public Layer {
            heads = List.copyOf(heads);
        }
    }

    /** All heads, those with the largest relative error first. */
    public List<Head> worstHeads() {
        return layers.stream()
                .flatMap(layer -> layer.heads().stream())
                .sorted(Comparator.comparingDouble((Head head) -> -head.relativeMse()))
                .toList();
    }

    /**
     * How one head retrieves; means over the documents whose answer the teacher gives.
     *
     * @param teacherScore share of the answer's tokens that the teacher's head copies
     * @param studentScore the same of the student's
     * @param teacherWeight the teacher's weight on the needle's token
     * @param studentWeight the student's
     */
    public record RetrievalHead(
            int layer,
            int head,
            double teacherScore,
            double studentScore,
            double teacherWeight,
            double studentWeight) {}

    /**
     * What the heads do while a needle's number is written.
     *
     * @param documents how many were asked
     * @param used in how many the teacher's answer is right
     * @param heads all heads, the teacher's best first; empty if nothing was used
     */
    public record Retrieval(int documents, int used, List<RetrievalHead> heads) {
        /** Score from which on a head is a retrieval head, as in the paper. */
        public static final double THRESHOLD = 0.1;

        /** Copies the list. */
        public Retrieval {
            heads = List.copyOf(heads);
        }

        /** The teacher's retrieval heads. */
        public List<RetrievalHead> teacherHeads() {
            return heads.stream().filter(head -> head.teacherScore() >= THRESHOLD).toList();
        }

        /** Those of them that are the student's too. */
        public List<RetrievalHead> keptHeads() {
            return teacherHeads().stream()
                    .filter(head -> head.studentScore() >= THRESHOLD)
                    .toList();
        }
    }

    /**
     * A model, or the student changed in all layers.
     *
     * @param name {@code teacher}, {@code student}, {@code window_only}, {@code linear_only} or
     *     {@code none}
     * @param nll mean loss on the text
     * @param needleAccuracy share of the documents whose needle it finds, absent without needles
     */
    public record Variant(String name, double nll, OptionalDouble needleAccuracy) {}

    /**
     * The student's mean loss on the text with one layer changed; absent where that is no change or
     * the same as another.
     *
     * @param windowOnly without the linear branch
     * @param linearOnly without the window
     * @param none without either
     * @param teacherLayer with the teacher's layer in its place
     */
    public record LayerVariants(
            int layer,
            OptionalDouble windowOnly,
            OptionalDouble linearOnly,
            OptionalDouble none,
            double teacherLayer) {}
}
