package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Changes of the tensors that lie in one stored tensor, as one change of that. */
final class PartChanges implements WeightChange {
    private record Change(ModelLayout.Entry entry, StoredPart part, WeightChange change) {}

    private final List<Change> changes = new ArrayList<>();

    void add(ModelLayout.Entry entry, WeightChange change) {
        changes.add(new Change(entry, entry.part().orElseThrow(), change));
    }

    /** Whether the stored tensor's rows are the parts' columns, so that it is changed in whole. */
    @Override
    public boolean needsAll() {
        return changes.stream().anyMatch(change -> change.part().transposed());
    }

    @Override
    public NDArray apply(NDArray rows, long from) throws IOException {
        float[] whole = rows.toFloatArray();
        long to = from + rows.getShape().get(0);
        for (Change change : changes) {
            apply(change, rows, whole, from, to);
        }
        return rows.getManager().create(whole, rows.getShape());
    }

    private static void apply(Change change, NDArray like, float[] whole, long from, long to)
            throws IOException {
        StoredPart part = change.part();
        long all = change.entry().shape().get(0);
        int inner = Math.toIntExact(change.entry().shape().get(1));
        long first = part.transposed() ? 0 : Math.min(all, part.rowsBefore(from));
        long end = part.transposed() ? all : Math.min(all, part.rowsBefore(to));
        int count = Math.toIntExact(end - first);
        if (count == 0) {
            return;
        }
        float[] own = new float[Math.multiplyExact(count, inner)];
        part.copy(from, whole, first, own, count, inner, true);
        Shape shape = new Shape(count, inner);
        try (NDArray before = like.getManager().create(own, shape);
                NDArray after = change.change().apply(before, first)) {
            part.copy(from, whole, first, after.toFloatArray(), count, inner, false);
        }
    }
}
