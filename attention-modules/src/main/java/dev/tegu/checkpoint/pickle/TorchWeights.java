package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.WeightFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/** The weights in a {@code pytorch_model.bin}, or in one shard of it. No code in it is run. */
public final class TorchWeights implements WeightFile {
    private final TorchFile file;
    private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();

    private TorchWeights(TorchFile file) {
        this.file = file;
    }

    /**
     * @throws CheckpointException as {@link TorchFile#open}, and if there is no tensor in the file
     */
    public static TorchWeights open(Path path) throws IOException {
        TorchWeights weights = new TorchWeights(TorchFile.open(path));
        weights.file.tensors().forEach((name, t) -> weights.tensors.put(name, info(name, t)));
        if (weights.tensors.isEmpty()) {
            weights.close();
            throw new CheckpointException(
                    path.getFileName()
                            + ": holds no tensors; save `model.state_dict()` with torch.save");
        }
        return weights;
    }

    private static TensorInfo info(String name, TorchTensor tensor) {
        return new TensorInfo(name, tensor.dtype(), tensor.shape(), -1, tensor.byteLength());
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public SortedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSortedMap(tensors);
    }

    /**
     * {@inheritDoc}
     *
     * <p>Mapped where the archive holds many elements in this order, read otherwise. A packed
     * storage is unpacked from its beginning to the piece.
     */
    @Override
    public ByteBuffer map(String name, long fromByte, int length) throws IOException {
        return file.tensor(name).bytes(fromByte, length);
    }

    @Override
    public void writeTo(String name, WritableByteChannel channel) throws IOException {
        file.tensor(name).writeTo(channel);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
