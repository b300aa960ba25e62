package dev.tegu.engine.cuda;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import dev.tegu.engine.Engines;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Work on a device that was recorded once and can be repeated with one launch.
 *
 * <p>It is libtorch's own {@code at::cuda::CUDAGraph}, whose methods the library exports: so what
 * the work needs in between lies in a pool that nothing else is given and that stays, also when
 * libtorch gives unused memory back to the driver. All graphs of a device share the pool, since
 * they leave nothing in it between launches and never run at the same time: launches go to the one
 * stream that libtorch works on. Tensors that the work reads or writes are the caller's to keep, in
 * the same place.
 *
 * <p>A C++ exception cannot pass through Java and would end the process. So what could be one is
 * looked at before: the library's functions, the device's last error, the state of the recording.
 *
 * <p>Not thread-safe: to be used by the thread that recorded it.
 */
public final class CudaGraph implements AutoCloseable {
    private static final String CONSTRUCT = "_ZN2at4cuda9CUDAGraphC1Ev";
    private static final String DESTRUCT = "_ZN2at4cuda9CUDAGraphD1Ev";
    private static final String BEGIN =
            "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode";
    private static final String END = "_ZN2at4cuda9CUDAGraph11capture_endEv";
    private static final String REPLAY = "_ZN2at4cuda9CUDAGraph6replayEv";

    /** Name of the pool, of libtorch's kind that callers choose: (0, number). */
    private static final long POOL = 0x74656775L;

    /** The object takes about a hundred. */
    private static final long OBJECT_BYTES = 1024;

    /** CU_STREAM_NON_BLOCKING: the device's default stream and this one do not wait for another. */
    private static final int NON_BLOCKING = 1;

    /** CU_STREAM_CAPTURE_MODE_RELAXED: libtorch may ask for memory while it records. */
    private static final int RELAXED = 2;

    /** CU_STREAM_CAPTURE_STATUS_ACTIVE. */
    private static final int ACTIVE = 1;

    private static final int NOT_READY = 600;

    /** The default stream cannot be recorded. One stream a device, for the life of the process. */
    private static final Map<Integer, Pointer> STREAMS = new ConcurrentHashMap<>();

    /** The graph of each device that was closed last: libtorch ends a pool that no graph has. */
    private static final Map<Integer, CudaGraph> KEEPERS = new ConcurrentHashMap<>();

    private final CudaDevice device;
    private final SharedLibrary library;
    private final Memory object;
    private boolean isOpen;

    private CudaGraph(CudaDevice device, SharedLibrary library) {
        this.device = device;
        this.library = library;
        this.object = new Memory(OBJECT_BYTES);
        object.clear();
        library.run(CONSTRUCT, object);
        this.isOpen = true;
    }

    /** Opened when it is first needed. */
    private static final class Library {
        private static final SharedLibrary TORCH = LibTorch.open("torch_cuda");

        private Library() {}
    }

    /**
     * Records work without doing it.
     *
     * @param work queues work on libtorch's current stream and waits for nothing; it has been done
     *     once before by this thread, so that everything is loaded
     * @throws CudaException if there is no such device, or the work cannot be recorded; nothing of
     *     it was done then
     */
    public static CudaGraph record(Device device, Runnable work) {
        CudaDevice cuda = CudaDevice.of(device);
        SharedLibrary library = Library.TORCH;
        library.require(List.of(CONSTRUCT, DESTRUCT, BEGIN, END, REPLAY));
        return cuda.within(() -> onOwnStream(cuda, library, work));
    }

    /** Why nothing can be recorded on a device, found by trying; empty if it can. */
    public static Optional<String> reasonAgainst(Device device) {
        try (NDManager scope = Engines.newManager(device)) {
            NDArray x = scope.ones(new Shape(1));
            Runnable twice = () -> x.addi(x);
            twice.run();
            try (CudaGraph graph = record(device, twice)) {
                graph.launch();
                graph.launch();
                float found = x.toFloatArray()[0];
                return found == 8
                        ? Optional.empty()
                        : Optional.of("1 doubled three times gave " + found);
            }
        } catch (CudaException | EngineException e) {
            return Optional.of(String.valueOf(e.getMessage()).lines().findFirst().orElse("?"));
        }
    }

    private static CudaGraph onOwnStream(CudaDevice device, SharedLibrary library, Runnable work) {
        // an earlier fault shows here
        device.driver().call("cuCtxSynchronize");
        Pointer stream = STREAMS.computeIfAbsent(device.index(), index -> newStream(device));
        PointerByReference guard = new PointerByReference();
        LibTorch.call(
                library, "aoti_torch_create_cuda_stream_guard", stream, device.index(), guard);
        try {
            CudaGraph graph = new CudaGraph(device, library);
            try {
                graph.record(stream, work);
                return graph;
            } catch (RuntimeException e) {
                graph.close();
                throw e;
            }
        } finally {
            LibTorch.call(library, "aoti_torch_delete_cuda_stream_guard", guard.getValue());
        }
    }

    private static Pointer newStream(CudaDevice device) {
        PointerByReference stream = new PointerByReference();
        device.driver().call("cuStreamCreate", stream, NON_BLOCKING);
        return stream.getValue();
    }

    private void record(Pointer stream, Runnable work) {
        // C++ passes the pair in two registers
        library.run(BEGIN, object, 0L, POOL, RELAXED);
        try {
            work.run();
        } catch (RuntimeException e) {
            end(stream);
            throw new CudaException("cannot be recorded: " + e.getMessage(), e);
        }
        if (!end(stream)) {
            throw new CudaException(
                    "cannot be recorded: it waits for the device, or uses another stream");
        }
    }

    /** Whether the recording holds; where it does not, an empty one takes its place. */
    private boolean end(Pointer stream) {
        IntByReference status = new IntByReference();
        device.driver().call("cuStreamIsCapturing", stream, status);
        boolean isWhole = status.getValue() == ACTIVE;
        if (!isWhole) {
            // libtorch would throw, and its allocator would stay in the state of recording
            PointerByReference broken = new PointerByReference();
            int code = device.driver().code("cuStreamEndCapture", stream, broken);
            if (code == 0 && broken.getValue() != null) {
                device.driver().call("cuGraphDestroy", broken.getValue());
            }
            device.driver().call("cuStreamBeginCapture_v2", stream, RELAXED);
            // found among the libraries that libtorch needs; kernels would report it as theirs
            library.call("cudaGetLastError");
        }
        library.run(END, object);
        return isWhole;
    }

    /**
     * Does the work, on libtorch's current stream: after what was queued there before, and waited
     * for by nobody.
     *
     * @throws CudaException if the device has failed before
     */
    public void launch() {
        if (!isOpen) {
            throw new IllegalStateException("the graph is closed");
        }
        Pointer stream = TorchStream.current(device);
        device.within(
                () -> {
                    int code = device.driver().code("cuStreamQuery", stream);
                    if (code != NOT_READY) {
                        device.driver().require("cuStreamQuery", code);
                    }
                    library.run(REPLAY, object);
                    return null;
                });
    }

    /** Ends the use of it; its own memory, a few MiB, goes back when the next one is closed. */
    @Override
    public void close() {
        if (isOpen) {
            isOpen = false;
            CudaGraph before = KEEPERS.put(device.index(), this);
            if (before != null) {
                before.destroy();
            }
        }
    }

    private void destroy() {
        device.within(
                () -> {
                    library.run(DESTRUCT, object);
                    return null;
                });
        object.close();
    }
}
