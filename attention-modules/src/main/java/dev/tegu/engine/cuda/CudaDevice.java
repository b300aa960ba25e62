package dev.tegu.engine.cuda;

import ai.djl.Device;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** One CUDA device, in the context that libtorch uses: the device's primary one. */
public final class CudaDevice {
    private static final int MAJOR = 75;
    private static final int MINOR = 76;
    private static final int NAME_BYTES = 256;
    private static final Map<Integer, CudaDevice> DEVICES = new ConcurrentHashMap<>();

    private final CudaDriver driver;
    private final int index;
    private final int handle;

    /** Held for the life of the process, as libtorch holds it. */
    private final Pointer context;

    private CudaDevice(CudaDriver driver, int index) {
        this.driver = driver;
        this.index = index;
        IntByReference device = new IntByReference();
        driver.callFor("cuda:" + index, "cuDeviceGet", device, index);
        this.handle = device.getValue();
        PointerByReference primary = new PointerByReference();
        driver.callFor("cuda:" + index, "cuDevicePrimaryCtxRetain", primary, handle);
        this.context = primary.getValue();
    }

    /**
     * @param device a CUDA device of the engine, whose numbers are the driver's
     * @throws CudaException if there is no driver or no such device
     */
    public static CudaDevice of(Device device) {
        if (!device.isGpu()) {
            throw new IllegalArgumentException(device + " is no CUDA device");
        }
        return DEVICES.computeIfAbsent(
                device.getDeviceId(), index -> new CudaDevice(CudaDriver.get(), index));
    }

    /** Its number, from 0. */
    public int index() {
        return index;
    }

    /** The card's name, such as {@code NVIDIA H200}. */
    public String name() {
        byte[] name = new byte[NAME_BYTES];
        driver.call("cuDeviceGetName", name, NAME_BYTES, handle);
        int end = 0;
        while (end < NAME_BYTES && name[end] != 0) {
            end++;
        }
        return new String(name, 0, end, StandardCharsets.UTF_8);
    }

    /** Compute capability, 10 major + minor: 90 of a Hopper. */
    public int capability() {
        return 10 * attribute(MAJOR) + attribute(MINOR);
    }

    private int attribute(int number) {
        IntByReference value = new IntByReference();
        driver.call("cuDeviceGetAttribute", value, number, handle);
        return value.getValue();
    }

    /**
     * The card's memory, all processes together.
     *
     * @param freeBytes what nobody holds; libtorch holds what it once used
     */
    public record Memory(long freeBytes, long totalBytes) {
        /** What somebody holds. */
        public long usedBytes() {
            return totalBytes - freeBytes;
        }
    }

    /** The card's memory now. */
    public Memory memory() {
        return within(
                () -> {
                    LongByReference free = new LongByReference();
                    LongByReference total = new LongByReference();
                    driver.call("cuMemGetInfo_v2", free, total);
                    return new Memory(free.getValue(), total.getValue());
                });
    }

    CudaDriver driver() {
        return driver;
    }

    /** Does something in the device's context, and leaves the thread in the one it was in. */
    <T> T within(Supplier<T> work) {
        PointerByReference current = new PointerByReference();
        driver.call("cuCtxGetCurrent", current);
        Pointer before = current.getValue();
        if (context.equals(before)) {
            return work.get();
        }
        driver.call("cuCtxSetCurrent", context);
        try {
            return work.get();
        } finally {
            // A thread without a context keeps ours, the one that libtorch would set.
            if (before != null) {
                driver.call("cuCtxSetCurrent", before);
            }
        }
    }

    @Override
    public String toString() {
        return "cuda:" + index;
    }
}
