package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a layer remembers of the tokens it has seen: the last window and the sums of the linear
 * branch. Its size does not depend on how many those are.
 *
 * <p>{@code window_k}, {@code window_v} [B, K, W, D], oldest token first, unused slots in front;
 * {@code window_k_linear} [B, K, W, D] when the branches rotate keys differently and evicted keys
 * enter the sums; {@code window_g} [B, S, W] log-gates, likewise; {@code kv_state} [B, H, F, D];
 * {@code k_sum} [B, H, F]; {@code seen} [] int64. All float32. What a spec does not need is empty.
 */
public final class AttentionState implements AutoCloseable {
    /** Names of the tensors, in the order of the script's results. */
    static final List<String> NAMES =
            List.of(
                    "window_k",
                    "window_v",
                    "window_k_linear",
                    "window_g",
                    "kv_state",
                    "k_sum",
                    "seen");

    private final Map<String, NDArray> tensors = new LinkedHashMap<>();

    AttentionState(List<NDArray> inOrder) {
        for (int i = 0; i < NAMES.size(); i++) {
            tensors.put(NAMES.get(i), inOrder.get(i));
        }
    }

    /** The tensors by name. */
    public Map<String, NDArray> tensors() {
        return Map.copyOf(tensors);
    }

    /** Bytes of all tensors. */
    public long sizeBytes() {
        return tensors.values().stream()
                .mapToLong(t -> t.getShape().size() * t.getDataType().getNumOfBytes())
                .sum();
    }

    /** Hands the tensors over to a manager that lives longer than the step that made them. */
    public void attach(NDManager manager) {
        new NDList(tensors.values()).attach(manager);
    }

    @Override
    public void close() {
        tensors.values().forEach(NDArray::close);
    }
}
