package dev.tegu.checkpoint;

/**
 * A model file or directory is not what it should be.
 *
 * <p>The message says where, what is wrong, the likely cause and the next step, and is meant to be
 * shown as it is.
 */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
