package dev.tegu.engine.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.util.HashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Kernels compiled from one source for one device, loaded for the life of the process. */
public final class CudaModule {
    /** What was compiled so far, or why it could not be: a compilation takes seconds. */
    private static final Map<Key, Outcome> COMPILED = new HashMap<>();

    private record Key(int device, String source, SortedMap<String, Integer> defines) {}

    private record Outcome(CudaModule module, CudaException failure) {}

    private final CudaDevice device;
    private final String name;
    private final Pointer handle;

    private CudaModule(CudaDevice device, String name, byte[] code) {
        this.device = device;
        this.name = name;
        PointerByReference module = new PointerByReference();
        try (Memory image = new Memory(code.length)) {
            image.write(0, code, 0, code.length);
            device.within(
                    () -> {
                        device.driver().callFor(name, "cuModuleLoadData", module, image);
                        return null;
                    });
        }
        this.handle = module.getValue();
    }

    /**
     * Compiles a source, or takes what was compiled from it before.
     *
     * @param name for messages
     * @param source CUDA C++ without includes, its kernels {@code extern "C"}
     * @param defines macros
     * @throws CudaException if there is no compiler, or it or the driver refuses the source
     */
    public static CudaModule of(
            CudaDevice device, String name, String source, SortedMap<String, Integer> defines) {
        Key key = new Key(device.index(), source, new TreeMap<>(defines));
        Outcome outcome;
        synchronized (COMPILED) {
            outcome = COMPILED.computeIfAbsent(key, k -> compile(device, name, k));
        }
        if (outcome.failure() != null) {
            throw new CudaException(outcome.failure().getMessage(), outcome.failure());
        }
        return outcome.module();
    }

    private static Outcome compile(CudaDevice device, String name, Key key) {
        try {
            byte[] code =
                    Nvrtc.get().compile(name, key.source(), device.capability(), key.defines());
            return new Outcome(new CudaModule(device, name, code), null);
        } catch (CudaException e) {
            return new Outcome(null, e);
        }
    }

    /**
     * @param function name of a kernel
     * @param sharedBytes dynamic shared memory of a block
     * @throws CudaException if there is no such kernel, or the device has not that much
     */
    public CudaFunction function(String function, int sharedBytes) {
        String what = name + " " + function;
        PointerByReference found = new PointerByReference();
        return device.within(
                () -> {
                    device.driver().callFor(what, "cuModuleGetFunction", found, handle, function);
                    return new CudaFunction(device, what, found.getValue(), sharedBytes);
                });
    }
}
