package dev.tegu.engine.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;

/** A kernel that can be launched. */
public final class CudaFunction {
    private static final int MAX_DYNAMIC_SHARED_BYTES = 8;
    private static final int SHARED_MEMORY_CARVEOUT = 9;
    private static final int ALL_OF_IT = 100;

    private final CudaDevice device;
    private final String name;
    private final Pointer handle;
    private final int sharedBytes;

    /** To be called in the device's context. */
    CudaFunction(CudaDevice device, String name, Pointer handle, int sharedBytes) {
        this.device = device;
        this.name = name;
        this.handle = handle;
        this.sharedBytes = sharedBytes;
        // Without this a kernel gets no more than 48 KiB.
        set(MAX_DYNAMIC_SHARED_BYTES, sharedBytes);
        // A wish: as much shared memory as the card can take from its cache.
        set(SHARED_MEMORY_CARVEOUT, ALL_OF_IT);
    }

    private void set(int attribute, int value) {
        device.driver()
                .callFor(
                        name + " with " + sharedBytes + " bytes of shared memory",
                        "cuFuncSetAttribute",
                        handle,
                        attribute,
                        value);
    }

    /**
     * Launches the kernel on libtorch's current stream, and does not wait for it: what libtorch
     * does next comes after it. A fault inside of the kernel shows in a later call.
     *
     * @param blocks size of the grid
     * @param threads size of a block
     * @param arguments the kernel's, in order: {@link Long} addresses, 0 for none, and {@link
     *     Integer}s
     * @throws CudaException if it cannot be launched
     */
    public void launch(int blocks, int threads, Object... arguments) {
        Pointer stream = TorchStream.current(device);
        int slots = arguments.length;
        // The values, each in eight bytes, then the addresses of the values.
        try (Memory memory = new Memory(2L * Long.BYTES * slots)) {
            Pointer addresses = memory.share((long) Long.BYTES * slots);
            for (int i = 0; i < slots; i++) {
                long offset = (long) Long.BYTES * i;
                if (arguments[i] instanceof Long address) {
                    memory.setLong(offset, address);
                } else {
                    memory.setInt(offset, (Integer) arguments[i]);
                }
                addresses.setLong(offset, Pointer.nativeValue(memory) + offset);
            }
            device.within(
                    () -> {
                        device.driver()
                                .callFor(
                                        name,
                                        "cuLaunchKernel",
                                        handle,
                                        blocks,
                                        1,
                                        1,
                                        threads,
                                        1,
                                        1,
                                        sharedBytes,
                                        stream,
                                        addresses,
                                        Pointer.NULL);
                        return null;
                    });
        }
    }

    static {
        if (Native.POINTER_SIZE != Long.BYTES) {
            throw new CudaException("kernels need a 64-bit machine");
        }
    }
}
