package dev.tegu.distill;

import dev.tegu.engine.TorchScript;
import java.util.Map;

/** The TorchScript of this module. */
final class Scripts {
    private Scripts() {}

    /**
     * @param lossScale factor of the attention-transfer loss
     */
    static TorchScript training(double lossScale) {
        return TorchScript.load(Scripts.class, "training.py", Map.of("scale", lossScale));
    }
}
