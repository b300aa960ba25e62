package dev.tegu.cli.bench;

import ai.djl.Device;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.AttentionWorkload;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * Measures one series in a process of its own: what earlier series left behind in the allocator
 * would count as theirs or hide what a later one takes.
 */
public final class BenchProcess {
    /** A first run loads libraries and grows pools; it is not measured. */
    private static final int WARM_UP_LENGTH = 64;

    /** Runs between two waits on a card. */
    private static final int CARD_BLOCK = 10;

    private BenchProcess() {}

    /** Prints each point of a plan, given as words, as one line of JSON. */
    public static void main(String[] words) throws IOException {
        JsonMapper json = new JsonMapper();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        measure(BenchPlan.of(words), point -> out.println(json.valueToTree(point).toString()));
    }

    /**
     * Measures in a new process.
     *
     * @param listener hears of each point once it is measured
     * @throws IllegalStateException if the process fails, as it does when memory runs out
     */
    public static List<BenchPoint> run(BenchPlan plan, Consumer<BenchPoint> listener)
            throws IOException {
        List<BenchPoint> points = new ArrayList<>();
        JsonMapper json = new JsonMapper();
        ChildProcess.run(
                BenchProcess.class,
                plan.words(),
                line -> {
                    points.add(json.readValue(line, BenchPoint.class));
                    listener.accept(points.get(points.size() - 1));
                },
                code ->
                        ("bench: `" + plan.method() + "`, " + plan.formName() + ": the measuring")
                                + (" process ended with code " + code + " after " + points.size())
                                + " points; memory may have run out: lower `--lengths` or"
                                + " `--quadratic-up-to`");
        return points;
    }

    /** Measures in this process. */
    static void measure(BenchPlan plan, Consumer<BenchPoint> listener) throws IOException {
        AttentionSpec spec = Methods.resolve(plan.method(), "--methods");
        Device device = Engines.device(plan.device());
        try (AttentionWorkload warmUp = workload(plan, spec, WARM_UP_LENGTH, device)) {
            warmUp.forward();
            warmUp.forwardAndBackward();
        }
        MemoryMeter meter = MemoryMeter.of(device);
        // A card works while the next run is prepared; it is waited for once in a block of runs.
        int block = device.isGpu() ? CARD_BLOCK : 1;
        for (int length : plan.lengths()) {
            try (AttentionWorkload work = workload(plan, spec, length, device)) {
                Cost forward = cost(work::forward, plan.repeats(), block, meter);
                Cost training = cost(work::forwardAndBackward, plan.repeats(), block, meter);
                listener.accept(
                        new BenchPoint(
                                plan.method(),
                                plan.formName(),
                                length,
                                forward.millis,
                                training.millis,
                                device.isGpu() ? null : forward.peakBytes,
                                training.peakBytes));
            }
        }
    }

    private static AttentionWorkload workload(
            BenchPlan plan, AttentionSpec spec, int length, Device device) {
        return new AttentionWorkload(
                spec, plan.shape(), plan.batchSize(), length, plan.form(), device, plan.type());
    }

    private record Cost(double millis, Long peakBytes) {}

    private static Cost cost(IntConsumer work, int repeats, int block, MemoryMeter meter)
            throws IOException {
        meter.reset();
        work.accept(1);
        Long peak = meter.isCounted() ? meter.peakBytes() : null;
        double[] millis = new double[repeats];
        for (int i = 0; i < repeats; i++) {
            long begin = System.nanoTime();
            work.accept(block);
            millis[i] = (System.nanoTime() - begin) / 1e6 / block;
        }
        return new Cost(Statistics.median(millis), peak);
    }
}
