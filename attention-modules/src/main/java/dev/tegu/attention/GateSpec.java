package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * How the linear branch forgets: at each token its state is multiplied by a gate in (0, 1).
 *
 * @param kind the formula
 * @param per whether all heads of a layer share the gate
 * @param start the gate at the start of training: the projection starts at zero, the bias at
 *     logit(start)
 * @param bias whether there is a bias; without one {@code start} can only be 0.5
 */
public record GateSpec(
        @Default("none") Kind kind,
        @Default("head") Per per,
        @Default("0.98") double start,
        @Default("true") boolean bias) {

    /** The formulas. */
    public enum Kind {
        /** No gate: nothing is forgotten. */
        NONE,
        /**
         * gamma_t = sigmoid(w x_t + b), x_t being the layer's normed input.
         *
         * @see <a href="https://arxiv.org/abs/2507.09025">Lizard, section 5 and table 4</a>
         */
        SCALAR
    }

    /** Who shares a gate. */
    public enum Per {
        /** One gate a head. */
        HEAD,
        /** One gate for all heads of the layer (Lizard as printed). */
        LAYER
    }

    /** Refuses a start outside (0, 1). */
    public GateSpec {
        if (!(start > 0 && start < 1)) {
            throw new InvalidValueException(
                    "start", "must lie between 0 and 1, both excluded, found " + start);
        }
        if (kind != Kind.NONE && !bias && start != 0.5) {
            throw new InvalidValueException(
                    "start", "without a bias the gate starts at 0.5, found " + start);
        }
    }

    /** Number of gates a token, for a layer with that many query heads. */
    public int gateHeads(int numHeads) {
        return per == Per.LAYER ? 1 : numHeads;
    }
}
