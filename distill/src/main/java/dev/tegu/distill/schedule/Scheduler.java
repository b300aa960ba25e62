package dev.tegu.distill.schedule;

/** How the learning rate goes on after the warm-up. */
public enum Scheduler {
    /** Half a cosine from the peak to the floor. */
    COSINE,
    /** A straight line from the peak to the floor. */
    LINEAR,
    /**
     * Warm-up, stable, decay: the peak until the last {@code decay_ratio} of the steps, there half
     * a cosine to the floor, as {@code warmup_stable_decay} of transformers has by default.
     */
    WSD,
    /** The peak, to the end; the floor is not used. */
    CONSTANT,
    /** The peak, cut to the floor bit by bit while the validation loss stands still. */
    PLATEAU
}
