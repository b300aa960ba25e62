package dev.tegu.engine;

import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.IntByReference;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What stands between libtorch and the cards of this machine: NVIDIA's driver, and the runtime
 * library that the engine counts devices with. Asking loads no libtorch and takes no memory of a
 * card.
 *
 * @param driver newest CUDA version that the driver knows, as 1000 major + 10 minor; empty where no
 *     driver can be loaded
 * @param runtime version of the runtime library; empty where it is not found
 * @param error what counting the devices ended with, 0 if well; without meaning where there is no
 *     runtime
 * @param devices number of cards that the runtime sees
 * @see <a href="https://docs.nvidia.com/cuda/cuda-runtime-api/">CUDA runtime API</a>
 */
public record CudaHost(OptionalInt driver, OptionalInt runtime, int error, int devices) {
    /** cudaErrorInsufficientDriver. */
    private static final int INSUFFICIENT_DRIVER = 35;

    /** cudaErrorNoDevice. */
    private static final int NO_DEVICE = 100;

    private static final String GUIDE = "; see docs/gpu.md";

    /** Asks the libraries of this machine. */
    public static CudaHost look() {
        OptionalInt driver = number(driverLibrary(), "cuDriverGetVersion");
        Optional<NativeLibrary> runtime = library("cudart");
        IntByReference count = new IntByReference();
        int error = runtime.map(r -> call(r, "cudaGetDeviceCount", count)).orElse(0);
        return new CudaHost(
                driver,
                number(runtime, "cudaRuntimeGetVersion"),
                error,
                error == 0 ? count.getValue() : 0);
    }

    private static Optional<NativeLibrary> driverLibrary() {
        boolean isWindows = System.getProperty("os.name").startsWith("Win");
        return library(isWindows ? "nvcuda" : "libcuda.so.1");
    }

    private static Optional<NativeLibrary> library(String name) {
        try {
            return Optional.of(NativeLibrary.getInstance(name));
        } catch (UnsatisfiedLinkError e) {
            return Optional.empty(); // which is what was asked
        }
    }

    private static int call(NativeLibrary library, String function, Object... arguments) {
        return library.getFunction(function).invokeInt(arguments);
    }

    private static OptionalInt number(Optional<NativeLibrary> library, String function) {
        IntByReference value = new IntByReference();
        return library.isPresent() && call(library.get(), function, value) == 0
                ? OptionalInt.of(value.getValue())
                : OptionalInt.empty();
    }

    /**
     * Why there is no CUDA here, and what to do about it.
     *
     * @param libtorch folder of the library in use
     * @param isCudaBuild whether that library was built for CUDA
     * @return empty if nothing stands in the way
     */
    public Optional<String> reasonAgainst(String libtorch, boolean isCudaBuild) {
        if (!isCudaBuild) {
            return Optional.of(
                    ("the libtorch in use (" + libtorch + ") is the CPU build; start with")
                            + " TEGU_CUDA=1 to use the one for CUDA"
                            + GUIDE);
        }
        if (driver.isEmpty()) {
            return Optional.of(
                    "NVIDIA's driver (libcuda.so.1) is not found: it is not installed, or not"
                            + " visible inside of this container"
                            + GUIDE);
        }
        if (runtime.isEmpty()) {
            return Optional.of(
                    "CUDA's runtime (libcudart.so) is not found; install it and put its folder on"
                            + " LD_LIBRARY_PATH"
                            + GUIDE);
        }
        if (error == INSUFFICIENT_DRIVER) {
            return Optional.of(
                    ("the driver is for CUDA " + version(driver.getAsInt()))
                            + (", the libraries are of CUDA " + version(runtime.getAsInt()))
                            + ": update the driver");
        }
        if (error != 0 && error != NO_DEVICE) {
            return Optional.of(
                    ("CUDA's runtime ends with error " + error + " when it counts the devices")
                            + "; does `nvidia-smi` work?");
        }
        if (devices == 0) {
            return Optional.of(
                    "the driver sees no card; is CUDA_VISIBLE_DEVICES set, or the container"
                            + " without GPUs?");
        }
        return Optional.empty();
    }

    /** For example {@code 12.8} of 12080. */
    public static String version(int number) {
        return number / 1000 + "." + number % 1000 / 10;
    }
}
