package dev.tegu.distill;

import dev.tegu.engine.TorchScript;
import java.util.List;
import java.util.Map;

/** The TorchScript of this module. */
final class Scripts {
    private Scripts() {}

    /** The optimizer. */
    static TorchScript training() {
        return TorchScript.load(Scripts.class, List.of("arrays.py", "training.py"), Map.of());
    }

    /**
     * Losses of one layer's attention.
     *
     * @param mseFactor weight of the mean squared error of outputs
     * @param xentFactor weight of the cross-entropy of attention weights
     */
    static TorchScript transfer(double mseFactor, double xentFactor) {
        return TorchScript.load(
                Scripts.class,
                List.of("arrays.py", "transfer.py"),
                Map.of("mse_factor", mseFactor, "xent_factor", xentFactor));
    }
}
