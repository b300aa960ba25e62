package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.Sequence;
import dev.tegu.model.TokenBatch;
import java.util.Optional;

/**
 * The sequences of one batch.
 *
 * @param ids [B, T] int64
 * @param labels [B, T] int64, aligned with the ids, -100 where not trained on
 * @param documents [B, T] int64, a change starts a text that sees none of those before it; absent:
 *     each row is one text
 */
public record TrainingBatch(NDArray ids, NDArray labels, Optional<NDArray> documents) {

    /** Sequences that are one text each. */
    public static TrainingBatch of(NDArray ids, NDArray labels) {
        return new TrainingBatch(ids, labels, Optional.empty());
    }

    /**
     * @param scope owner of the arrays
     * @param indices of the sequences, at least one
     */
    static TrainingBatch of(NDManager scope, PackedDataset data, int[] indices) {
        int length = data.sequenceLength();
        long[] ids = new long[indices.length * length];
        long[] labels = new long[indices.length * length];
        long[] documents = new long[indices.length * length];
        for (int row = 0; row < indices.length; row++) {
            Sequence sequence = data.get(indices[row]);
            for (int t = 0; t < length; t++) {
                ids[row * length + t] = sequence.ids()[t];
                labels[row * length + t] = sequence.labels()[t];
                documents[row * length + t] = sequence.documents()[t];
            }
        }
        Shape shape = new Shape(indices.length, length);
        return new TrainingBatch(
                scope.create(ids, shape),
                scope.create(labels, shape),
                data.masksDocuments()
                        ? Optional.of(scope.create(documents, shape))
                        : Optional.empty());
    }

    /** What a model reads. */
    public TokenBatch tokens() {
        return new TokenBatch(ids, Optional.empty(), documents);
    }

    /** Has a scope own what a model reads while it is open. */
    void borrowTokens(NDManager scope) {
        scope.tempAttachAll(ids);
        documents.ifPresent(scope::tempAttachAll);
    }
}
