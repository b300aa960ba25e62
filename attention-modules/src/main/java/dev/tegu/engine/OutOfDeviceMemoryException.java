package dev.tegu.engine;

/** Memory ran out; the message says what was being done, and what would fit. */
public final class OutOfDeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message what was being done, {@link MemoryShortage#describe}, what to do
     * @param cause what the engine said
     */
    public OutOfDeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
