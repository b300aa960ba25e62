package dev.tegu.engine.cuda;

/** CUDA is not there, or one of its calls failed. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message which call on what, the name of its error code and what the code means
     */
    public CudaException(String message) {
        super(message);
    }

    /** As above, with the failure behind it. */
    CudaException(String message, Throwable cause) {
        super(message, cause);
    }
}
