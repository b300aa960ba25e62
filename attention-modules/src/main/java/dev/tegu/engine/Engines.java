package dev.tegu.engine;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Properties;

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

    /** Made once; what it holds is the process's. */
    private static final class Started {
        static final Engine ENGINE = start();

        private static Engine start() {
            Engine engine;
            try {
                engine = Engine.getEngine(NAME);
            } catch (EngineException | LinkageError | AssertionError e) {
                throw notLoaded(e, System.getenv("PYTORCH_LIBRARY_PATH"));
            }
            refuseForeignTensors(engine);
            return engine;
        }
    }

    private static Engine engine() {
        try {
            return Started.ENGINE;
        } catch (ExceptionInInitializerError e) {
            if (e.getCause() instanceof DeviceException why) {
                throw why;
            }
            throw e;
        }
    }

    /**
     * @param thrown by the engine's start
     * @param folder what the user has named, or null
     */
    static DeviceException notLoaded(Throwable thrown, String folder) {
        Throwable cause = thrown;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String named =
                folder == null
                        ? ". With TEGU_CUDA=1 they are fetched at the first start, which needs the"
                                + " network"
                        : ", found by PYTORCH_LIBRARY_PATH=" + folder;
        String what =
                cause == thrown
                        ? ""
                        : " (" + cause.getClass().getSimpleName() + ": " + cause.getMessage() + ")";
        return new DeviceException(
                ("PyTorch's libraries cannot be loaded: " + thrown.getMessage() + what)
                        + ("; they must be libtorch "
                                + bridgeVersion().split("-")[0]
                                + ", for the CPU or CUDA 12.8")
                        + named
                        + "; see docs/gpu.md",
                thrown);
    }

    /**
     * The bridge between Java and libtorch is compiled for one version. Some others load, too, but
     * lay their tensors out in another way.
     */
    private static void refuseForeignTensors(Engine engine) {
        float[] values = {1, 2, 3, 4, 5, 6};
        try (NDManager manager = engine.newBaseManager(Device.cpu());
                NDArray array = manager.create(values, new Shape(2, 3));
                NDArray sum = array.sum(new int[] {1})) {
            boolean same =
                    array.getShape().equals(new Shape(2, 3))
                            && Arrays.equals(sum.toFloatArray(), new float[] {6, 15});
            if (!same) {
                throw new DeviceException(
                        ("the libtorch in "
                                        + LibUtils.getLibtorchPath()
                                        + " is not version "
                                        + bridgeVersion().split("-")[0])
                                + ": its tensors are laid out in another way; see docs/gpu.md");
            }
        }
    }

    /** Versions of libtorch and DJL that the bridge between them is made for. */
    public static String bridgeVersion() {
        Properties properties = new Properties();
        try (InputStream in = Engine.class.getResourceAsStream("/jnilib/pytorch.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("jni_version");
    }

    /** Whether the libtorch in use was built for CUDA. */
    public static boolean isCudaBuild() {
        return engine().hasCapability(StandardCapabilities.CUDA);
    }

    /** What the engine takes its version of libtorch for. */
    public static String libtorchVersion() {
        return engine().getVersion();
    }

    /** Number of CUDA devices that can be used. */
    public static int cudaDevices() {
        return engine().getGpuCount();
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
        if (count == 0) {
            throw new DeviceException(
                    "device `"
                            + name
                            + "`: there is none: "
                            + whyNoCuda()
                            + "; `cpu` always works");
        }
        if (index >= count) {
            throw new DeviceException(
                    ("device `" + name + "`: not found, there are " + count + " (cuda:0")
                            + (count == 1 ? ")" : " to cuda:" + (count - 1) + ")"));
        }
        return Device.gpu(index);
    }

    /** What stands in the way where {@link #cudaDevices} is 0, and what to do about it. */
    public static String whyNoCuda() {
        return CudaHost.look()
                .reasonAgainst(libraryFolder().toString(), isCudaBuild())
                .orElse("the engine sees no device");
    }

    /** What a device is called in settings: {@code cpu} or {@code cuda:N}. */
    public static String nameOf(Device device) {
        return device.isGpu() ? "cuda:" + device.getDeviceId() : "cpu";
    }

    /** Whether autograd records on this thread. */
    public static boolean isRecording() {
        return JniUtils.isGradMode();
    }

    /** Where libtorch's shared libraries lie. */
    public static Path libraryFolder() {
        // Known once they are loaded.
        engine();
        return Path.of(LibUtils.getLibtorchPath());
    }
}
