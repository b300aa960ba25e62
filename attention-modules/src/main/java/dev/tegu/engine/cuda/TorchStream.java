package dev.tegu.engine.cuda;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;

/** The stream on which libtorch's work on a device is queued. */
final class TorchStream {
    private static final SharedLibrary LIBRARY = LibTorch.open("torch_cuda");

    private TorchStream() {}

    /** This thread's stream; null is the device's default one. */
    static Pointer current(CudaDevice device) {
        PointerByReference stream = new PointerByReference();
        LibTorch.call(LIBRARY, "aoti_torch_get_current_cuda_stream", device.index(), stream);
        return stream.getValue();
    }
}
