package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * Whether all losses and gradients of a stage have been finite, kept where they are computed: steps
 * ask without waiting for a GPU. Once something was not, it stays so, and no step changes anything.
 */
final class Health implements AutoCloseable {
    private final TorchScript script;

    /** [1] int64: the first bad step, -1 if there is none. */
    private final NDArray bad;

    /**
     * @param script of {@link Scripts#training}
     */
    Health(TorchScript script, NDManager manager) {
        this.script = script;
        this.bad = manager.zeros(new Shape(1), DataType.INT64);
        bad.subi(1);
    }

    /**
     * @param owner of the result
     * @param step 0-based
     * @param norms of the gradients
     * @return [1] float32, 1 while the step may change something, else 0
     */
    NDArray note(NDManager owner, long step, List<BatchLosses> losses, NDArray norms) {
        List<NDArray> trained = new ArrayList<>();
        losses.forEach(l -> l.trained().ifPresent(trained::add));
        trained.add(owner.zeros(new Shape(1)));
        NDArray live =
                script.call(
                                "note",
                                new TorchScript.Arguments()
                                        .add(bad)
                                        .add(Numbers.onCpu(owner, (double) step))
                                        .add(norms)
                                        .add("losses", trained))
                        .get(0);
        live.attach(owner);
        return live;
    }

    /** Waits for the steps so far; the first of them that was not finite, 0-based. */
    OptionalLong firstBad() {
        long step = bad.toLongArray()[0];
        return step < 0 ? OptionalLong.empty() : OptionalLong.of(step);
    }

    @Override
    public void close() {
        bad.close();
    }
}
