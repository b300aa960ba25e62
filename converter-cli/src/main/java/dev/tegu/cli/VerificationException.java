package dev.tegu.cli;

/** A checkpoint that is not what its own files say it is. */
final class VerificationException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    VerificationException(String message) {
        super(message);
    }
}
