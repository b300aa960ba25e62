package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a layer remembers of the tokens it has seen: the last ones, the first ones where they are
 * kept, and the sums of the linear branch. Its size does not depend on how many those are.
 *
 * <p>{@code window_k}, {@code window_v} [B, K, R, D], oldest token first, unused slots in front, R
 * being {@link WindowSpec#reach}; {@code window_k_linear} [B, K, R, D] when the branches rotate
 * keys differently and evicted keys enter the sums; {@code window_g} [B, S, R] or [B, S, R, F]
 * log-gates, likewise; {@code first_k}, {@code first_v} [B, K, keep_first, D]; {@code kv_state} [B,
 * H, F, D]; {@code k_sum} [B, H, F]; {@code seen} [B] int64, tokens of each row's current text;
 * {@code document} [B] int64, its number where documents are told apart. All float32 but the last
 * two. What a spec does not need is empty.
 */
public final class AttentionState implements AutoCloseable {
    /** Names of the tensors, in the order of the script's results. */
    public static final List<String> NAMES =
            List.of(
                    "window_k",
                    "window_v",
                    "window_k_linear",
                    "window_g",
                    "first_k",
                    "first_v",
                    "kv_state",
                    "k_sum",
                    "seen",
                    "document");

    /** Tensors whose slots are tokens, on the third axis. */
    private static final List<String> WINDOW =
            List.of("window_k", "window_v", "window_k_linear", "window_g");

    private final Map<String, NDArray> tensors = new LinkedHashMap<>();

    AttentionState(List<NDArray> inOrder) {
        for (int i = 0; i < NAMES.size(); i++) {
            tensors.put(NAMES.get(i), inOrder.get(i));
        }
    }

    /**
     * A state of tensors that came from {@link #tensors}.
     *
     * @throws IllegalArgumentException if one is missing
     */
    public static AttentionState of(Map<String, NDArray> tensors) {
        for (String name : NAMES) {
            if (!tensors.containsKey(name)) {
                throw new IllegalArgumentException(
                        "no tensor `" + name + "` in the state, found " + tensors.keySet());
            }
        }
        return new AttentionState(NAMES.stream().map(tensors::get).toList());
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

    /** Tokens of the current text that each row has seen. */
    public long[] seen() {
        return tensors.get("seen").toLongArray();
    }

    /** Hands the tensors over to a manager that lives longer than the step that made them. */
    public void attach(NDManager manager) {
        new NDList(tensors.values()).attach(manager);
    }

    /** An equal state of its own memory, owned by the same manager. */
    public AttentionState copy() {
        return new AttentionState(NAMES.stream().map(n -> tensors.get(n).duplicate()).toList());
    }

    /**
     * The states of the given rows, in that order, a row as often as it is named: what a beam
     * search needs, or a batch that drops the rows that are done.
     *
     * @param rows indices from 0 to B - 1
     * @throws IllegalArgumentException if a row does not exist
     */
    public AttentionState select(int... rows) {
        long batch = tensors.get("seen").getShape().get(0);
        for (int row : rows) {
            if (row < 0 || row >= batch) {
                throw new IllegalArgumentException(
                        "row " + row + " of a state of " + batch + " rows");
            }
        }
        NDManager manager = tensors.get("seen").getManager();
        long[] chosen = Arrays.stream(rows).asLongStream().toArray();
        try (NDArray index = manager.create(chosen)) {
            return new AttentionState(
                    NAMES.stream()
                            .map(tensors::get)
                            // what a spec does not need has no rows either
                            .map(
                                    t ->
                                            t.getShape().dimension() == 1 && t.size() == 0
                                                    ? t.duplicate()
                                                    : t.get(index))
                            .toList());
        }
    }

    /**
     * The state without each row's last tokens, for a text that goes back to try something else.
     *
     * @param tokens how many to forget
     * @throws IllegalStateException if a token has left the window, or a linear branch sums over
     *     all tokens: sums cannot be taken apart
     */
    public AttentionState forget(int tokens) {
        long reach = tensors.get("window_k").getShape().get(2);
        boolean sums = tensors.get("kv_state").abs().sum().getFloat() != 0;
        for (long count : seen()) {
            if (sums || count > reach) {
                throw new IllegalStateException(
                        "cannot go back: after "
                                + count
                                + " tokens some have left the window or become part of sums; keep"
                                + " a copy of the state from before instead");
            }
            if (tokens > count) {
                throw new IllegalArgumentException(
                        "cannot forget " + tokens + " of " + count + " tokens");
            }
        }
        Map<String, NDArray> earlier = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> earlier.put(name, tensor.duplicate()));
        for (String name : WINDOW) {
            NDArray tensor = tensors.get(name);
            if (tensor.size() > 0 && tokens > 0) {
                Shape shape = tensor.getShape();
                long[] gap = shape.getShape();
                gap[2] = tokens;
                NDArray empty = tensor.getManager().zeros(new Shape(gap), tensor.getDataType());
                NDList parts = new NDList(empty);
                if (tokens < reach) {
                    parts.add(tensor.get(":,:,0:" + (reach - tokens)));
                }
                earlier.put(name, NDArrays.concat(parts, 2));
            }
        }
        earlier.put("seen", tensors.get("seen").sub(tokens));
        return of(earlier);
    }

    @Override
    public void close() {
        tensors.values().forEach(NDArray::close);
    }
}
