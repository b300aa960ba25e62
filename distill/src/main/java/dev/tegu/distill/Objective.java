package dev.tegu.distill;

import java.util.List;

/** What a stage trains, and by which loss. */
public interface Objective {
    /** The stage's key in the configuration, for example {@code attention_transfer}. */
    String stage();

    /** The trained parameters, names different over all groups. */
    List<ParameterGroup> groups();

    /**
     * Computes the loss of a batch and adds its gradients, times the loss scale, to the
     * parameters'.
     */
    Losses backward(TrainingBatch batch, StepContext context);

    /** The loss of a batch alone, nothing dropped. */
    Losses loss(TrainingBatch batch);
}
