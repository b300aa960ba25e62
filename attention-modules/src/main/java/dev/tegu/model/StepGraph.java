package dev.tegu.model;

import ai.djl.Device;
import dev.tegu.engine.cuda.CudaException;
import dev.tegu.engine.cuda.CudaGraph;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The step of a {@link TokenDecoder} as one CUDA graph: a launch a token instead of hundreds.
 *
 * <p>A step that cannot be recorded is called as before; the log says why, once a process.
 */
final class StepGraph implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StepGraph.class);
    private static final AtomicBoolean TOLD = new AtomicBoolean();

    private final Device device;

    /** Queues the step's work, which reads and writes the same memory each time. */
    private final Runnable step;

    /** Where the rows stand, read from the device. */
    private final Supplier<long[]> positions;

    private Optional<String> reasonAgainst;
    private CudaGraph graph;
    private boolean isProven;

    StepGraph(
            Device device,
            Optional<String> reasonAgainst,
            Runnable step,
            Supplier<long[]> positions) {
        this.device = device;
        this.reasonAgainst = reasonAgainst;
        this.step = step;
        this.positions = positions;
    }

    /** Why steps cannot be recorded; empty if they can, as far as is known. */
    Optional<String> reasonAgainst() {
        return reasonAgainst;
    }

    /** Whether {@link #launch} does a step. */
    boolean isRecorded() {
        return graph != null;
    }

    /** Records the step, right after one that this thread has called. */
    void record() {
        try {
            graph = CudaGraph.record(device, step);
            isProven = false;
        } catch (CudaException e) {
            reasonAgainst = Optional.of(e.getMessage());
            if (TOLD.compareAndSet(false, true)) {
                LOG.warn("a token is called, not launched as one graph: {}", e.getMessage());
            }
        }
    }

    /**
     * A step.
     *
     * @throws CudaException if the device fails, or a new recording does not what a step does
     */
    void launch() {
        if (isProven) {
            graph.launch();
            return;
        }
        long[] expected = Arrays.stream(positions.get()).map(n -> n + 1).toArray();
        graph.launch();
        long[] found = positions.get();
        if (!Arrays.equals(expected, found)) {
            throw new CudaException(
                    "a recorded token has moved the rows to positions "
                            + Arrays.toString(found)
                            + ", expected "
                            + Arrays.toString(expected));
        }
        isProven = true;
    }

    /** Drops the recording, before memory that it uses is exchanged. */
    void forget() {
        if (graph != null) {
            graph.close();
            graph = null;
        }
    }

    @Override
    public void close() {
        forget();
        reasonAgainst = Optional.of("closed");
    }
}
