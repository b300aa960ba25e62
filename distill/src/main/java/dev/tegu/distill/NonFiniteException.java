package dev.tegu.distill;

/** A loss or gradient stopped being a number. */
public final class NonFiniteException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message stage and step, what was seen, and what to try
     */
    public NonFiniteException(String message) {
        super(message);
    }
}
