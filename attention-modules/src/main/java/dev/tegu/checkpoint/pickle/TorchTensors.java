package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Makes storages and tensors of what a pickle says of them, checked against the archive. */
final class TorchTensors implements Unpickler.Tensors {
    /** PyTorch's limit. */
    private static final int MAX_DIMENSIONS = 64;

    private final ZipArchive archive;
    private final String where;
    private final String folder;

    /**
     * @param where name of the file, for messages
     * @param folder of the archive that holds everything, with a slash at its end
     */
    TorchTensors(ZipArchive archive, String where, String folder) {
        this.archive = archive;
        this.where = where;
        this.folder = folder;
    }

    /** {@code ("storage", class, key, device, number of elements)}. */
    @Override
    public Object storage(Unpickler.Tuple id) {
        List<Object> items = id.items();
        boolean isStorage = items.size() == 5 && "storage".equals(items.get(0));
        Optional<DType> dtype =
                isStorage && items.get(1) instanceof Global global
                        ? global.elements()
                        : Optional.empty();
        if (dtype.isEmpty()
                || !(items.get(2) instanceof String key)
                || !(items.get(4) instanceof Long elements)
                || elements < 0) {
            throw broken("what should be a storage is none");
        }
        String entry = folder + "data/" + key;
        long found = archive.size(entry);
        if (found < 0) {
            throw broken("storage `" + PickleReader.shown(entry) + "` is missing");
        }
        int size = dtype.get().byteSize();
        if (found % size != 0 || found / size != elements) {
            throw broken(
                    ("storage `" + entry + "` should hold " + elements + " elements of ")
                            + (dtype.get() + ", it has " + found + " bytes"));
        }
        return new TorchStorage(archive, where, entry, dtype.get(), elements);
    }

    /** {@code (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])}. */
    @Override
    public Object tensor(Unpickler.Tuple arguments) {
        List<Object> items = arguments.items();
        if (items.size() < 4
                || !(items.get(0) instanceof TorchStorage storage)
                || !(items.get(1) instanceof Long offset)) {
            throw broken("what should be a tensor is none");
        }
        List<Long> shape = numbers(items.get(2), "size");
        List<Long> strides = numbers(items.get(3), "stride");
        if (strides.size() != shape.size() || offset < 0) {
            throw broken("a tensor of size " + shape + " has stride " + strides);
        }
        long count = 1;
        long last = offset;
        try {
            for (int i = 0; i < shape.size(); i++) {
                count = Math.multiplyExact(count, shape.get(i));
                long steps = Math.max(0, shape.get(i) - 1);
                last = Math.addExact(last, Math.multiplyExact(steps, strides.get(i)));
            }
        } catch (ArithmeticException e) {
            throw broken("a tensor of size " + shape + " has too many elements");
        }
        String what = "a tensor of size " + shape + " and stride " + strides;
        if (count > 0 && last >= storage.elements()) {
            throw broken(
                    (what + " from element " + offset + " needs " + (last + 1))
                            + (" elements of `" + storage.entry() + "`, which has ")
                            + storage.elements());
        }
        if (count > storage.elements()) {
            throw new CheckpointException(
                    where
                            + (": " + what + " repeats elements of its storage; call")
                            + " `.contiguous()` on it in PyTorch before saving");
        }
        long byteLength = count * storage.dtype().byteSize();
        return new TorchTensor(storage, shape, strides, count == 0 ? 0 : offset, byteLength);
    }

    @Override
    public boolean isTensor(Object value) {
        return value instanceof TorchTensor;
    }

    private List<Long> numbers(Object value, String what) {
        if (!(value instanceof Unpickler.Tuple tuple) || tuple.items().size() > MAX_DIMENSIONS) {
            throw broken("a tensor's " + what + " is no tuple of at most 64 numbers");
        }
        List<Long> numbers = new ArrayList<>();
        for (Object item : tuple.items()) {
            if (!(item instanceof Long number) || number < 0) {
                throw broken("a tensor's " + what + " holds something else than counts");
            }
            numbers.add(number);
        }
        return numbers;
    }

    private CheckpointException broken(String what) {
        return new CheckpointException(
                where + ": damaged, or cut off and repaired: " + what + "; fetch the file again");
    }
}
