package dev.tegu.engine;

/** A device or the engine's libraries are not there, or not right. */
public final class DeviceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message which device, what was found, and what to do
     */
    public DeviceException(String message) {
        super(message);
    }

    /**
     * @param message as of the other constructor
     * @param cause what the engine said
     */
    public DeviceException(String message, Throwable cause) {
        super(message, cause);
    }
}
