package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * How the linear branch forgets: at each token its state is multiplied by a gate in (0, 1), one
 * number a head or one for each of its F features.
 *
 * @param kind the formula
 * @param per whether all heads of a layer share the gate
 * @param start the gate at the start of training: projections start so that the layer input does
 *     not matter yet, the bias so that the gate is {@code start}. Absent: 0.98; 0.5 for a scalar
 *     gate without bias; 2^(-1/divisor) for {@link Kind#LOW_RANK_VECTOR}, GLA's bias of zero
 * @param bias whether a learned gate has a bias; without one it starts where a bias of zero puts it
 * @param rank width r between the two projections of {@link Kind#LOW_RANK_VECTOR}; absent: 16
 * @param divisor by what the logarithm of the gate is divided ({@link Kind#LOW_RANK_VECTOR}, {@link
 *     Kind#KEY_POOL}); absent: 16, GLA's and Liger's
 * @param pool how {@link Kind#KEY_POOL} reads the key
 * @param schedule which constants {@link Kind#CONSTANT} takes
 * @param absorb whether the chunked form puts the gates of a chunk into the exponents of phi
 *     (Lizard, section 4) instead of into a mask. The same function, other rounding; overflows
 *     where the gates of half a chunk multiply to less than about 1e-38, see docs/attention.md
 */
public record GateSpec(
        @Default("none") Kind kind,
        @Default("head") Per per,
        Optional<Double> start,
        @Default("true") boolean bias,
        Optional<Integer> rank,
        Optional<Double> divisor,
        @Default("none") Pool pool,
        @Default("retnet") Schedule schedule,
        @Default("false") boolean absorb) {

    /** The formulas; x_t is the layer's normed input, k_t the key before RoPE. */
    public enum Kind {
        /** No gate: nothing is forgotten. */
        NONE,
        /**
         * sigmoid(w x_t + b).
         *
         * @see <a href="https://arxiv.org/abs/2507.09025">Lizard, section 5 and table 4</a>
         */
        SCALAR,
        /**
         * sigmoid(x_t W1 W2 + b)^(1/divisor), one for each feature, W1 [M, r], W2 [r, F].
         *
         * @see <a href="https://arxiv.org/abs/2312.06635">GLA, section 4.4</a>
         */
        LOW_RANK_VECTOR,
        /**
         * exp(-softplus(w x_t + b) exp(a)).
         *
         * @see <a href="https://arxiv.org/abs/2405.21060">Mamba-2; in this form Lizard, table 4</a>
         */
        MAMBA2,
        /**
         * sigmoid(k_t)^(1/divisor), no parameters.
         *
         * @see <a href="https://arxiv.org/abs/2503.01496">Liger, equation 6</a>
         */
        KEY_POOL,
        /** A number for each head that nothing changes, see {@link Schedule}. */
        CONSTANT
    }

    /** Who shares a gate. */
    public enum Per {
        /** One gate a head. */
        HEAD,
        /** One gate for all heads of the layer (Lizard as printed). */
        LAYER
    }

    /** How the key becomes a gate. */
    public enum Pool {
        /**
         * Each of its numbers gates its own feature: the released code, whose pooling keeps the
         * size.
         */
        NONE,
        /** Its mean gates the head: the paper's Pooling(k) read as a pooling to one number. */
        MEAN
    }

    /** Constants for the heads h = 0 .. H - 1. */
    public enum Schedule {
        /**
         * 1 - 2^(-5 - h).
         *
         * @see <a href="https://arxiv.org/abs/2307.08621">RetNet, equation 8</a>
         */
        RETNET,
        /**
         * exp(-s_h (1 - l / (L - 1) + 1e-5)) in layer l of L, s_h = 2^(-8 (h + 1) / H) being
         * ALiBi's slopes.
         *
         * @see <a href="https://arxiv.org/abs/2401.04658">Lightning Attention-2, after
         *     TransNormerLLM's equation for its decay</a>
         */
        LIGHTNING
    }

    /** Refuses a start outside (0, 1) and settings that the kind does not have. */
    public GateSpec {
        boolean learned =
                kind == Kind.SCALAR || kind == Kind.LOW_RANK_VECTOR || kind == Kind.MAMBA2;
        if (start.isPresent() && !(start.get() > 0 && start.get() < 1)) {
            throw new InvalidValueException(
                    "start", "must lie between 0 and 1, both excluded, found " + start.get());
        }
        if (start.isPresent() && !learned) {
            throw new InvalidValueException(
                    "start", "only a learned gate has a start; leave it out");
        }
        if (learned
                && !bias
                && start.isPresent()
                && start.get() != startWithoutBias(kind, divisor)) {
            throw new InvalidValueException(
                    "start",
                    "without a bias the gate starts at "
                            + startWithoutBias(kind, divisor)
                            + ", found "
                            + start.get());
        }
        if (rank.isPresent() && kind != Kind.LOW_RANK_VECTOR) {
            throw new InvalidValueException("rank", "only `low_rank_vector` has a rank");
        }
        if (rank.isPresent() && rank.get() < 1) {
            throw new InvalidValueException("rank", "must be at least 1, found " + rank.get());
        }
        if (divisor.isPresent() && kind != Kind.LOW_RANK_VECTOR && kind != Kind.KEY_POOL) {
            throw new InvalidValueException(
                    "divisor", "only `low_rank_vector` and `key_pool` have a divisor");
        }
        if (divisor.isPresent() && !(divisor.get() > 0 && divisor.get() < 1e9)) {
            throw new InvalidValueException(
                    "divisor", "must be greater than 0, found " + divisor.get());
        }
        if (pool != Pool.NONE && kind != Kind.KEY_POOL) {
            throw new InvalidValueException("pool", "only `key_pool` pools");
        }
        if (schedule != Schedule.RETNET && kind != Kind.CONSTANT) {
            throw new InvalidValueException("schedule", "only `constant` has a schedule");
        }
        if (per == Per.LAYER && !learned && kind != Kind.NONE) {
            throw new InvalidValueException(
                    "per", "only a learned gate can be shared by the heads of a layer");
        }
        if (absorb && (kind == Kind.NONE || isVector(kind, pool))) {
            throw new InvalidValueException("absorb", "only a gate of one number a head absorbs");
        }
    }

    private static double startWithoutBias(Kind kind, Optional<Double> divisor) {
        return switch (kind) {
            case LOW_RANK_VECTOR -> Math.pow(0.5, 1 / divisor.orElse(16.0));
            // exp(-softplus(0))
            default -> 0.5;
        };
    }

    private static boolean isVector(Kind kind, Pool pool) {
        return kind == Kind.LOW_RANK_VECTOR || kind == Kind.KEY_POOL && pool == Pool.NONE;
    }

    /** Whether each feature has a gate of its own. */
    public boolean isVector() {
        return isVector(kind, pool);
    }

    /** Whether the gate is computed from the layer's input. */
    public boolean readsInput() {
        return kind == Kind.SCALAR || kind == Kind.LOW_RANK_VECTOR || kind == Kind.MAMBA2;
    }

    /** The gate at the start of training, for learned gates. */
    public double startValue() {
        boolean zero = !bias || kind == Kind.LOW_RANK_VECTOR;
        return start.orElse(zero ? startWithoutBias(kind, divisor) : 0.98);
    }

    /** Width of the low-rank projection. */
    public int rankValue() {
        return rank.orElse(16);
    }

    /** What the logarithm of the gate is divided by. */
    public double divisorValue() {
        return kind == Kind.LOW_RANK_VECTOR || kind == Kind.KEY_POOL ? divisor.orElse(16.0) : 1;
    }

    /** The gate of a layer whose log-gates are given ready-made. */
    static GateSpec ready(boolean vector, Per per, boolean absorb) {
        return new GateSpec(
                vector ? Kind.LOW_RANK_VECTOR : Kind.SCALAR,
                per,
                Optional.empty(),
                true,
                Optional.empty(),
                Optional.empty(),
                Pool.NONE,
                Schedule.RETNET,
                absorb && !vector);
    }

    /** Number of gates a token (S), for a layer with that many query heads: 1 or all. */
    public int gateHeads(int numHeads) {
        return per == Per.LAYER ? 1 : numHeads;
    }

    /**
     * Logarithms of the constant gates.
     *
     * @param layer number of the layer, from 0
     * @param numLayers number of layers of the model
     * @return [H], every entry below 0
     */
    public float[] logConstants(int numHeads, int layer, int numLayers) {
        float[] logs = new float[numHeads];
        for (int h = 0; h < numHeads; h++) {
            logs[h] =
                    (float)
                            switch (schedule) {
                                case RETNET -> Math.log1p(-Math.pow(2, -5 - h));
                                case LIGHTNING -> {
                                    double slope = Math.pow(2, -8.0 * (h + 1) / numHeads);
                                    double depth = numLayers > 1 ? layer / (numLayers - 1.0) : 0;
                                    yield -slope * (1 - depth + 1e-5);
                                }
                            };
        }
        return logs;
    }
}
