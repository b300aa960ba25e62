package dev.tegu.distill;

import java.util.Map;

/**
 * The factor of a float16 model's losses, which keeps small gradients from vanishing: halved
 * whenever gradients overflow, doubled after a run of steps in which none did.
 *
 * @param factor a power of two, at least 1
 * @param goodSteps steps since the last change
 * @see <a href="https://arxiv.org/abs/1710.03740">Mixed Precision Training, section 3.2</a>
 */
record LossScale(float factor, int goodSteps) {
    /** PyTorch's GradScaler starts here. */
    private static final float START = 65_536;

    /** Steps without an overflow before the factor is doubled, GradScaler's default. */
    private static final int GROWTH_INTERVAL = 2000;

    private static final String FACTOR = "loss_scale";
    private static final String GOOD_STEPS = "loss_scale_good_steps";

    /** Before the first step of a model that needs scaling. */
    static LossScale start() {
        return new LossScale(START, 0);
    }

    LossScale afterGoodStep() {
        return goodSteps + 1 < GROWTH_INTERVAL
                ? new LossScale(factor, goodSteps + 1)
                : new LossScale(factor * 2, 0);
    }

    /** Whether an overflow can be answered by a smaller factor. */
    boolean canShrink() {
        return factor > 1;
    }

    LossScale afterOverflow() {
        return new LossScale(factor / 2, 0);
    }

    Map<String, String> facts() {
        return Map.of(FACTOR, String.valueOf(factor), GOOD_STEPS, String.valueOf(goodSteps));
    }

    static LossScale restore(Map<String, String> facts) {
        return new LossScale(
                Float.parseFloat(facts.get(FACTOR)), Integer.parseInt(facts.get(GOOD_STEPS)));
    }
}
