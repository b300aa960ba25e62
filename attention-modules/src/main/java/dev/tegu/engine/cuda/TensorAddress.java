package dev.tegu.engine.cuda;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;

/** Where a tensor's elements lie, and of what type they are. */
public final class TensorAddress {
    private static final SharedLibrary LIBRARY = LibTorch.open("torch_cpu");

    private TensorAddress() {}

    /**
     * The address of the first element, on the tensor's own device. It holds as long as the array
     * is open and not changed in size; whether the elements lie row after row is the caller's to
     * know.
     *
     * @return 0 of a tensor without elements
     * @throws IllegalStateException if the array is closed
     */
    public static long of(NDArray array) {
        PointerByReference address = new PointerByReference();
        LibTorch.call(LIBRARY, "aoti_torch_get_data_ptr", handle(array), address);
        return Pointer.nativeValue(address.getValue());
    }

    /** libtorch's number of the elements' type, also where Java has no name for it: 15 bfloat16. */
    public static int type(NDArray array) {
        IntByReference type = new IntByReference();
        LibTorch.call(LIBRARY, "aoti_torch_get_dtype", handle(array), type);
        return type.getValue();
    }

    private static Pointer handle(NDArray array) {
        return new Pointer(((PtNDArray) array).getHandle());
    }
}
