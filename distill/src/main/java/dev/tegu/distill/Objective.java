package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.Map;

/** What a stage trains, and by which loss. */
public interface Objective {
    /** The stage's key in the configuration, for example {@code attention_transfer}. */
    String stage();

    /** The trained parameters by checkpoint name; gradients are clipped a group at a time. */
    List<Map<String, NDArray>> groups();

    /**
     * Computes the loss of a batch and adds its gradients to the parameters'.
     *
     * @param ids [B, T] int64
     * @param labels [B, T] int64, aligned with the ids, -100 where not trained on
     * @return the loss
     */
    double backward(NDArray ids, NDArray labels);

    /** The loss of a batch alone. */
    double loss(NDArray ids, NDArray labels);
}
