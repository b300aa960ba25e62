package dev.tegu.config;

/**
 * Thrown by a settings record's constructor when values do not fit each other.
 *
 * <p>The binder turns it into a {@link Problem} at the line of {@link #key()}; code that builds the
 * record by hand sees an ordinary {@link IllegalArgumentException}.
 */
public final class InvalidValueException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final String key;

    /**
     * @param key snake_case key of the record at fault, dotted when nested, for example {@code
     *     window.size}
     * @param message what is wrong and what would be right
     */
    public InvalidValueException(String key, String message) {
        super(message);
        this.key = key;
    }

    /** The key at fault, relative to the record that threw. */
    public String key() {
        return key;
    }
}
