package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.TorchScript;
import dev.tegu.engine.cuda.CudaDevice;
import dev.tegu.engine.cuda.CudaFunction;
import dev.tegu.engine.cuda.CudaModule;
import dev.tegu.engine.cuda.TensorAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The attention kernel on a CUDA device, in half precision. The signatures and sizes of its sources
 * ({@link KernelSource}) stand here once more.
 */
final class CudaAttentionKernel implements AttentionKernel {
    private static final int THREADS = 128;
    private static final int SHARED_BYTES = 77_824;

    /** Numbers a row that are kept from forward to backward, and between the backward kernels. */
    private static final int SAVED = 4;

    /** Addresses that the kernels' widest loads and stores can take. */
    private static final int ALIGNMENT = 16;

    private final KernelSource source;
    private final Device torchDevice;
    private final CudaDevice device;
    private final int numHeads;
    private final CudaFunction forward;
    private final TorchScript memory;

    /** Both backward kernels, without and with the gradients of qw, kw and v. */
    private final Map<Boolean, Backward> backward = new HashMap<>();

    private record Backward(CudaFunction ofQueries, CudaFunction ofKeys) {}

    /**
     * Compiles the kernel, where that was not done before.
     *
     * @param modelType BF16 or F16
     * @throws dev.tegu.engine.cuda.CudaException if the device or the compiler refuses it
     */
    CudaAttentionKernel(AttentionSpec spec, AttentionShape shape, Device device, DType modelType) {
        this.torchDevice = device;
        this.device = CudaDevice.of(device);
        this.numHeads = shape.numHeads();
        this.source = new KernelSource(spec, shape, modelType);
        // What stage 2 needs contains what stage 1 needs: a fault shows here, not in the first
        // step.
        CudaModule module = module(true);
        this.forward = module.function("fused_forward", SHARED_BYTES);
        backward.put(true, new Backward(ofQueries(module), ofKeys(module)));
        Map<String, Object> constants = new HashMap<>();
        constants.put("num_heads", (long) shape.numHeads());
        constants.put("saved", (long) SAVED);
        constants.put("linear", spec.isLinear());
        constants.put("gated", spec.isGated());
        constants.put("window", spec.window().size() > 0);
        constants.put("sinks", (long) spec.window().sinks());
        this.memory = TorchScript.load(CudaAttentionKernel.class, "kernel_memory.py", constants);
    }

    private CudaModule module(boolean ofInputs) {
        return CudaModule.of(device, "fused attention", source.text(), source.defines(ofInputs));
    }

    private static CudaFunction ofQueries(CudaModule module) {
        return module.function("fused_backward_q", SHARED_BYTES);
    }

    private static CudaFunction ofKeys(CudaModule module) {
        return module.function("fused_backward_kv", SHARED_BYTES);
    }

    @Override
    public NDList forward(NDList operands) {
        NDArray v = operands.get(4);
        NDList results = memory.call("forward_memory", new TorchScript.Arguments().add(v));
        launch(forward, operands, results);
        return results;
    }

    @Override
    public NDList backward(NDList operands, NDList attended, NDArray gradOutput, boolean ofInputs) {
        Backward kernels =
                backward.computeIfAbsent(
                        ofInputs,
                        wanted -> {
                            CudaModule module = module(wanted);
                            return new Backward(ofQueries(module), ofKeys(module));
                        });
        check(gradOutput);
        String method = ofInputs ? "all_gradients" : "parameter_gradients";
        NDList made = memory.call(method, new TorchScript.Arguments().add(gradOutput));
        NDArray y = attended.get(0);
        NDArray saved = attended.get(1);
        try (NDArray rows = made.remove(0)) {
            NDArray dzq = made.get(0);
            NDArray dzk = made.get(1);
            NDArray dqw = made.get(2);
            NDArray dkw = made.get(3);
            NDArray dv = made.get(4);
            NDArray dg = made.get(5);
            NDArray dmix = made.get(6);
            NDArray dsinks = made.get(7);
            launch(
                    kernels.ofQueries(),
                    operands,
                    List.of(y, saved, gradOutput, rows, dzq, dqw, dmix, dsinks));
            launch(kernels.ofKeys(), operands, List.of(saved, gradOutput, rows, dzk, dkw, dv, dg));
        }
        return made;
    }

    /** Every kernel takes the operands, arrays of its own, and the sizes B, H, K and T. */
    private void launch(CudaFunction kernel, NDList operands, List<NDArray> own) {
        NDArray v = operands.get(4);
        check(v);
        List<Object> arguments = new ArrayList<>();
        operands.forEach(array -> arguments.add(address(array)));
        own.forEach(array -> arguments.add(address(array)));
        int batch = size(v, 0);
        arguments.addAll(List.of(batch, numHeads, size(v, 1), size(v, 2)));
        kernel.launch(Math.multiplyExact(batch, numHeads), THREADS, arguments.toArray());
    }

    private static int size(NDArray array, int dimension) {
        return Math.toIntExact(array.getShape().get(dimension));
    }

    private static long address(NDArray array) {
        long address = TensorAddress.of(array);
        if (address % ALIGNMENT != 0) {
            throw new IllegalArgumentException(
                    "a view of "
                            + array.getShape()
                            + " begins in the middle of "
                            + ALIGNMENT
                            + " bytes");
        }
        return address;
    }

    /** The other operands have their types and places from this one and from the parameters. */
    private void check(NDArray array) {
        int type = TensorAddress.type(array);
        int expected = source.torchType();
        if (type != expected || !array.getDevice().equals(torchDevice)) {
            throw new IllegalArgumentException(
                    "the kernel was made for libtorch's type %d on %s, found type %d on %s"
                            .formatted(expected, torchDevice, type, array.getDevice()));
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
