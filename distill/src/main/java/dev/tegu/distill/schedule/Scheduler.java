package dev.tegu.distill.schedule;

/** How the learning rate goes on after the warm-up. */
public enum Scheduler {
    /** Half a cosine from the peak to the floor. */
    COSINE,
    /** A straight line from the peak to the floor. */
    LINEAR,
    /** The peak, to the end; the floor is not used. */
    CONSTANT,
    /** The peak, cut to the floor bit by bit while the validation loss stands still. */
    PLATEAU
}
