package dev.tegu.distill;

/** Training was asked to stop; its state is saved, and it can be gone on with. */
public final class StoppedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /**
     * @param message one line: where it stopped and how to go on
     */
    public StoppedException(String message) {
        super(message);
    }
}
