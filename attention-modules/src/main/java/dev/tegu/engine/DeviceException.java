package dev.tegu.engine;

/** A device was asked for that is not there. */
public final class DeviceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message which device, what was found, and what to do
     */
    public DeviceException(String message) {
        super(message);
    }
}
