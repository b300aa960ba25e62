package dev.tegu.records;

/** A data file that is missing, unreadable, or holds something else than its format says. */
public final class DataException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message begins with the file, and the line where known
     */
    public DataException(String message) {
        super(message);
    }

    /**
     * @param message begins with the file, and the line where known
     * @param cause what the reading below said
     */
    public DataException(String message, Throwable cause) {
        super(message, cause);
    }
}
