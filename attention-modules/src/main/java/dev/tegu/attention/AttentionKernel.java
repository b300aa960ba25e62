package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/**
 * The part of the attention layer between its inputs' projections and its output, with its
 * gradients, outside of autograd.
 *
 * <p>Its operands are the eight arrays of {@code fused_inputs} in {@code fused.py}: zq, zk [B, H,
 * T, P], qw [B, H, T, D], kw, v [B, K, T, D], g [B, H, T], mix [H], sinks [H, m]; contiguous, and
 * empty where the layer has no such thing.
 */
interface AttentionKernel extends AutoCloseable {
    /**
     * @param operands the eight arrays
     * @return the output [B, H, T, D] in v's type, then whatever {@link #backward} needs; owned by
     *     the manager of v
     */
    NDList forward(NDList operands);

    /**
     * @param operands the eight arrays that {@link #forward} got
     * @param attended what it returned
     * @param gradOutput [B, H, T, D], contiguous, in v's type
     * @param ofInputs whether gradients of qw, kw and v are wanted too
     * @return gradients in the operands' order: zq, zk and g like the operands; qw, kw and v [B, H,
     *     T, D], one for each query head; mix [B, H] and sinks [B, H, m], one for each row of the
     *     batch; empty where there is no operand, or none is wanted. Owned by the manager of {@code
     *     gradOutput}
     */
    NDList backward(NDList operands, NDList attended, NDArray gradOutput, boolean ofInputs);

    @Override
    void close();
}
