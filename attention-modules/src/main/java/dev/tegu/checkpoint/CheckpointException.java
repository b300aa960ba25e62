package dev.tegu.checkpoint;

/**
 * A model file or directory is not what it should be.
 *
 * <p>The message says where, what is wrong, the likely cause and the next step, and is meant to be
 * shown as it is.
 */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Longer messages can only quote a file that nobody should trust. */
    private static final int MAX_CHARACTERS = 4_000;

    public CheckpointException(String message) {
        this(message, null);
    }

    public CheckpointException(String message, Throwable cause) {
        super(shown(message), cause);
    }

    /** One line of bounded length: names in files may hold line ends and colours of a terminal. */
    private static String shown(String message) {
        int end = Math.min(message.length(), MAX_CHARACTERS);
        String start = message.substring(0, end).replaceAll("\\p{Cntrl}", "?");
        return end < message.length() ? start + "..." : start;
    }
}
