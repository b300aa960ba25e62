package dev.tegu.distill;

import java.util.List;
import java.util.Optional;

/** What a stage trains, and by which loss. */
public interface Objective {
    /** The stage's key in the configuration, for example {@code attention_transfer}. */
    String stage();

    /** The trained parameters, names different over all groups. */
    List<ParameterGroup> groups();

    /**
     * Computes the loss of a batch and adds its gradients, times the loss scale, to the
     * parameters'.
     *
     * @return owned by the manager of the batch
     */
    BatchLosses backward(TrainingBatch batch, StepContext context);

    /** The loss of a batch alone, nothing dropped. */
    Losses loss(TrainingBatch batch);

    /**
     * Tokens of a sequence that the stage reads, from its start: what {@code tokens} counts.
     *
     * @param sequenceLength tokens of a sequence of the data
     */
    default int tokensRead(int sequenceLength) {
        return sequenceLength;
    }

    /** Whether gradients pass through float16 numbers, which small ones are lost in. */
    default boolean needsLossScaling() {
        return false;
    }

    /**
     * Looks for the place where a batch stops being finite.
     *
     * @return a name for messages, for example {@code layers.3}; empty if none is known
     */
    default Optional<String> firstNonFinite(TrainingBatch batch) {
        return Optional.empty();
    }
}
