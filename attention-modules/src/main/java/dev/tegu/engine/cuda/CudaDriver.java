package dev.tegu.engine.cuda;

import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.List;
import java.util.Optional;

/** NVIDIA's driver, {@code libcuda.so.1}, which comes with the card and not with libtorch. */
public final class CudaDriver {
    private final SharedLibrary library;

    private CudaDriver() {
        try {
            this.library = SharedLibrary.open(List.of("libcuda.so.1"));
        } catch (CudaException e) {
            throw new CudaException("NVIDIA's driver " + e.getMessage(), e);
        }
        call("cuInit", 0);
    }

    /** Loaded once; a failure is kept as well. */
    private static final class Once {
        private static CudaDriver driver;
        private static CudaException failure;

        static {
            try {
                driver = new CudaDriver();
            } catch (CudaException e) {
                failure = e;
            }
        }

        private Once() {}
    }

    /**
     * @throws CudaException if there is no driver, or it finds no device
     */
    public static CudaDriver get() {
        if (Once.failure != null) {
            throw new CudaException(Once.failure.getMessage(), Once.failure);
        }
        return Once.driver;
    }

    /** Why {@link #get} fails, in one line; empty where it does not. */
    public static Optional<String> reasonAgainst() {
        return Optional.ofNullable(Once.failure).map(CudaException::getMessage);
    }

    /** The newest CUDA version that the driver serves, 1000 major + 10 minor. */
    public int version() {
        IntByReference version = new IntByReference();
        call("cuDriverGetVersion", version);
        return version.getValue();
    }

    /**
     * Calls a function of the driver.
     *
     * @throws CudaException if it returns an error, which the message names
     */
    void call(String function, Object... arguments) {
        callFor("", function, arguments);
    }

    /** The same for a thing that the message names. */
    void callFor(String what, String function, Object... arguments) {
        int code = library.call(function, arguments);
        if (code != 0) {
            throw new CudaException((what.isEmpty() ? "" : what + ": ") + failed(function, code));
        }
    }

    /** Calls a function of which some codes are no errors. */
    int code(String function, Object... arguments) {
        return library.call(function, arguments);
    }

    /**
     * @throws CudaException if a function's code is an error, which the message names
     */
    void require(String function, int code) {
        if (code != 0) {
            throw new CudaException(failed(function, code));
        }
    }

    private String failed(String function, int code) {
        return "%s failed with %s (%d): %s"
                .formatted(
                        function,
                        text("cuGetErrorName", code),
                        code,
                        text("cuGetErrorString", code));
    }

    private String text(String function, int code) {
        PointerByReference text = new PointerByReference();
        boolean known = library.call(function, code, text) == 0 && text.getValue() != null;
        return known ? text.getValue().getString(0) : "unknown error";
    }
}
