package dev.tegu.cli;

/** An input named on the command line that is missing, unreadable, or not what it should be. */
public final class InputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message begins with the path
     */
    public InputException(String message) {
        super(message);
    }

    /**
     * @param message begins with the path
     */
    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
