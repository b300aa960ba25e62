package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.Sequence;
import dev.tegu.engine.TorchScript;
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
     * Reads a batch. It is on its way to a GPU when this returns, which waits for nothing.
     *
     * @param script of {@link Scripts#training}
     * @param scope owner of the arrays
     * @param indices of the sequences, at least one
     */
    static TrainingBatch of(
            TorchScript script, NDManager scope, PackedDataset data, int[] indices) {
        int length = data.sequenceLength();
        int kinds = data.masksDocuments() ? 3 : 2;
        int size = indices.length * length;
        int[] all = new int[kinds * size];
        for (int row = 0; row < indices.length; row++) {
            Sequence sequence = data.get(indices[row]);
            System.arraycopy(sequence.ids(), 0, all, row * length, length);
            System.arraycopy(sequence.labels(), 0, all, size + row * length, length);
            if (data.masksDocuments()) {
                System.arraycopy(sequence.documents(), 0, all, 2 * size + row * length, length);
            }
        }
        try (NDManager cpu = scope.newSubManager(Device.cpu());
                NDArray like = scope.zeros(new Shape(1))) {
            NDArray numbers = cpu.create(all, new Shape(kinds, indices.length, length));
            NDList moved = script.call("moved", new TorchScript.Arguments().add(like).add(numbers));
            return new TrainingBatch(
                    moved.get(0),
                    moved.get(1),
                    kinds == 3 ? Optional.of(moved.get(2)) : Optional.empty());
        }
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
