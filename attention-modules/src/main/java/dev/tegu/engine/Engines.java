package dev.tegu.engine;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import java.nio.file.Path;

/** The one place that starts the PyTorch engine and picks a device. */
public final class Engines {
    /** Name under which DJL knows its PyTorch engine. */
    static final String NAME = "PyTorch";

    static {
        // Nothing is fetched at run time: natives and tokenizers come with the class path.
        System.setProperty("ai.djl.offline", "true");
        // Nor is anything sent: DJL would count its uses with its makers.
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private Engines() {}

    private static Engine engine() {
        return Engine.getEngine(NAME);
    }

    /**
     * @param device the device its arrays live on
     * @return a new root manager, to be closed by the caller
     */
    public static NDManager newManager(Device device) {
        Engine engine = engine();
        // libtorch records by default; only a gradient collector shall make it.
        JniUtils.setGradMode(false);
        computeAsWritten();
        return engine.newBaseManager(device);
    }

    /** Turns the optimizing executor off; libtorch keeps this setting a thread. */
    static void computeAsWritten() {
        // The optimizing executor watches a script's first runs and then computes it in another
        // order: a resumed run would differ in the last bits from one that never stopped. It also
        // specialises on shapes, and ours change. DJL's property for it does not reach our calls.
        JniUtils.setGraphExecutorOptimize(false);
    }

    /**
     * @param name {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:N}
     * @return the device; {@code auto} is the first CUDA device if there is one
     * @throws DeviceException if the name is unknown or the device is absent
     */
    public static Device device(String name) {
        int count = engine().getGpuCount();
        if (name.equals("cpu") || name.equals("auto") && count == 0) {
            return Device.cpu();
        }
        if (name.equals("auto") || name.equals("cuda")) {
            return gpu(name, 0, count);
        }
        if (name.matches("cuda:[0-9]{1,3}")) {
            return gpu(name, Integer.parseInt(name.substring(5)), count);
        }
        throw new DeviceException(
                "device `" + name + "`: unknown; use `auto`, `cpu`, `cuda` or `cuda:N`");
    }

    private static Device gpu(String name, int index, int count) {
        if (index >= count) {
            throw new DeviceException(
                    "device `"
                            + name
                            + "`: not found, the engine sees "
                            + count
                            + " CUDA devices; the libtorch in use may be the CPU build. Use `cpu`,"
                            + " or see \"On a GPU\" in README.md.");
        }
        return Device.gpu(index);
    }

    /** Whether autograd records on this thread. */
    public static boolean isRecording() {
        return JniUtils.isGradMode();
    }

    /** Version of libtorch and number of CUDA devices, for reports. */
    public static String describe() {
        return "libtorch "
                + engine().getVersion()
                + ", "
                + engine().getGpuCount()
                + " CUDA devices";
    }

    /** Where libtorch's shared libraries lie. */
    public static Path libraryFolder() {
        // Known once they are loaded.
        engine();
        return Path.of(LibUtils.getLibtorchPath());
    }
}
