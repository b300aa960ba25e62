package dev.tegu.cli.bench;

import ai.djl.Device;
import dev.tegu.engine.cuda.CudaDevice;
import java.io.IOException;

/**
 * What a process holds on its device beyond what was held there when this was made.
 *
 * <p>On the CPU the memory of the process. On a card everything that is taken of it, by whomever,
 * since libtorch gives nothing back that it has once had: there the bytes held now are the most
 * that were ever held.
 */
public final class MemoryMeter {
    private final Device device;
    private final long before;

    private MemoryMeter(Device device) throws IOException {
        this.device = device;
        this.before = isCounted() ? taken() : 0;
    }

    /** Begins to count on a device. */
    public static MemoryMeter of(Device device) throws IOException {
        return new MemoryMeter(device);
    }

    /** Whether this system says what is held. */
    public boolean isCounted() {
        return device.isGpu() || PeakMemory.isCounted();
    }

    /** Begins the high-water mark anew, where that is possible. */
    public void reset() throws IOException {
        if (!device.isGpu() && isCounted()) {
            PeakMemory.reset();
        }
    }

    /** Bytes held now. */
    public long heldBytes() throws IOException {
        return isCounted() ? taken() - before : 0;
    }

    /** Most bytes held since {@link #reset}; on a card, ever. */
    public long peakBytes() throws IOException {
        if (!isCounted()) {
            return 0;
        }
        return (device.isGpu() ? taken() : PeakMemory.peakBytes()) - before;
    }

    private long taken() throws IOException {
        return device.isGpu()
                ? CudaDevice.of(device).memory().usedBytes()
                : PeakMemory.residentBytes();
    }
}
