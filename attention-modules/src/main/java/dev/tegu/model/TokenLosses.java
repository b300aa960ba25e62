package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What a model's predictions of the next token cost, with the gradient at the head's input.
 *
 * <p>loss = ce CE + kl t^2 KL(teacher || student), both means over the same positions: those that
 * predict a token which is learnt. KL is of the distributions at temperature t; t^2 keeps its
 * gradients as large as at temperature 1.
 *
 * <p>Logits, losses and gradients are computed in blocks of positions. Memory O(B T M) and 16
 * million logits (128 million on a GPU), a few times (64 positions at least), whatever B and T.
 *
 * @see <a href="https://arxiv.org/abs/1503.02531">Distilling the Knowledge, section 2</a>
 */
public final class TokenLosses {
    /** Logits of a block: 64 MiB of float32. */
    private static final int BLOCK_LOGITS = 1 << 24;

    /** The same on a GPU, where the head's matrix must not be read for few positions: 512 MiB. */
    private static final int GPU_BLOCK_LOGITS = 1 << 27;

    /** Positions of a block at least, so that the head's matrix is not read for a few. */
    private static final int LEAST_ROWS = 64;

    private final DecoderModel model;
    private final Factors factors;
    private final int rows;

    /**
     * @param crossEntropy factor of the cross-entropy with the labels, 0 or more
     * @param kl factor of the divergence from the teacher, 0 or more
     * @param temperature that both models' logits are divided by for the divergence, above 0
     */
    public record Factors(double crossEntropy, double kl, double temperature) {
        /** Cross-entropy alone. */
        public static final Factors CROSS_ENTROPY = new Factors(1, 0, 1);

        /** What is trained on. */
        public double total(double crossEntropyLoss, double klLoss) {
            double distance = kl == 0 ? 0 : kl * temperature * temperature * klLoss;
            return crossEntropy * crossEntropyLoss + distance;
        }
    }

    /**
     * Losses and gradients of a batch, owned by the manager of the hidden states.
     *
     * @param means cross-entropy and KL in nats, before their factors, float32 [2]; KL is 0 without
     *     a teacher
     * @param gradient of the whole loss times the loss scale in the normed hidden states, float32
     *     [B, T, M]
     * @param headGradient the same in the head, float32 [V, M]; absent: the head is not trained
     * @param biasGradient the same in the head's bias, float32 [V]; absent: there is none, or it is
     *     not trained
     */
    public record Found(
            NDArray means,
            NDArray gradient,
            Optional<NDArray> headGradient,
            Optional<NDArray> biasGradient) {}

    /** The losses of one model. */
    public TokenLosses(DecoderModel model, Factors factors) {
        this(model, factors, rows(model));
    }

    private static int rows(DecoderModel model) {
        boolean isGpu = model.manager().getDevice().isGpu();
        int rows = (isGpu ? GPU_BLOCK_LOGITS : BLOCK_LOGITS) / model.vocabSize();
        return Math.max(LEAST_ROWS, rows / LEAST_ROWS * LEAST_ROWS);
    }

    /** In blocks of the given number of positions. */
    TokenLosses(DecoderModel model, Factors factors, int rows) {
        this.model = model;
        this.factors = factors;
        this.rows = rows;
    }

    /**
     * @param normed hidden states after the final norm, [B, T, M]
     * @param labels [B, T] int64, aligned with the input ids, -100 where not learnt
     * @param teacher as {@code normed}, of the teacher; absent: no divergence
     * @return means of cross-entropy and KL, as {@link Found#means}
     */
    public NDArray means(NDArray normed, NDArray labels, Optional<NDArray> teacher) {
        return call(normed, labels, teacher, Optional.empty()).get(0);
    }

    /**
     * The same with gradients; nothing of it is recorded.
     *
     * @param lossScale what the loss is multiplied by for the gradients
     */
    public Found gradients(
            NDArray normed, NDArray labels, Optional<NDArray> teacher, float lossScale) {
        NDList out = call(normed, labels, teacher, Optional.of(lossScale));
        return new Found(out.get(0), out.get(1), trained(out.get(2)), trained(out.get(3)));
    }

    /** The script gives nothing for what is not trained. */
    private static Optional<NDArray> trained(NDArray gradient) {
        return gradient.isEmpty() ? Optional.empty() : Optional.of(gradient);
    }

    private Optional<NDArray> headBias() {
        return Optional.ofNullable(model.moreEnds().get("lm_head.bias"));
    }

    private NDList call(
            NDArray normed, NDArray labels, Optional<NDArray> teacher, Optional<Float> lossScale) {
        NDManager manager = normed.getManager();
        Map<String, NDArray> inputs = new LinkedHashMap<>();
        inputs.put("labels", labels);
        inputs.put(
                "factors",
                Numbers.onCpu(
                        manager,
                        factors.crossEntropy(),
                        factors.kl(),
                        factors.temperature(),
                        rows));
        teacher.ifPresent(t -> inputs.put("teacher", t));
        headBias().ifPresent(bias -> inputs.put("head_bias", bias));
        lossScale.ifPresent(s -> inputs.put("loss_scale", Numbers.onCpu(manager, s)));
        return model.script()
                .call(
                        "token_losses",
                        new TorchScript.Arguments()
                                .add(normed)
                                .add(model.ends().get(2))
                                .add("p", inputs));
    }

    /**
     * A number to run backward from: its gradients in the hidden states, the head and its bias are
     * those found.
     *
     * @param normed recorded, [B, T, M]
     * @return [] float32
     */
    public NDArray backwardFrom(NDArray normed, Found found) {
        NDArray ofInput = inner(normed, found.gradient());
        NDArray ofHead =
                found.headGradient()
                        .map(gradient -> ofInput.add(inner(model.ends().get(2), gradient)))
                        .orElse(ofInput);
        return found.biasGradient()
                .map(gradient -> ofHead.add(inner(headBias().orElseThrow(), gradient)))
                .orElse(ofHead);
    }

    /**
     * A number to run backward from: its gradient in {@code x} is the given one.
     *
     * @param gradient of the shape of {@code x}
     * @return [] float32, owned by the manager of {@code gradient}
     */
    public NDArray inner(NDArray x, NDArray gradient) {
        return model.script()
                .call("inner", new TorchScript.Arguments().add(gradient).add(x))
                .get(0);
    }

    /** Whether every number is finite; the array may have any type. */
    public boolean isFinite(NDArray x) {
        try (NDArray finite =
                model.script().call("finite", new TorchScript.Arguments().add(x)).get(0)) {
            return finite.getFloat() == 1;
        }
    }
}
