package dev.tegu.cli.bench;

import ai.djl.Device;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.AttentionWorkload;
import dev.tegu.cli.experiment.Methods;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Measures one series in a process of its own: what earlier series left behind in the allocator
 * would count as theirs or hide what a later one takes.
 */
public final class BenchProcess {
    /** A first run loads libraries and grows pools; it is not measured. */
    private static final int WARM_UP_LENGTH = 64;

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
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx2g", "-XX:+UseSerialGC", "-cp"));
        command.add(System.getProperty("java.class.path"));
        command.add(BenchProcess.class.getName());
        command.addAll(plan.words());
        Process process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        List<BenchPoint> points = new ArrayList<>();
        JsonMapper json = new JsonMapper();
        try (BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                points.add(json.readValue(line, BenchPoint.class));
                listener.accept(points.get(points.size() - 1));
            }
            int code = process.waitFor();
            if (code != 0) {
                throw new IllegalStateException(
                        ("bench: `" + plan.method() + "`, " + plan.formName() + ": the measuring")
                                + (" process ended with code " + code + " after " + points.size())
                                + " points; memory may have run out: lower `--lengths` or"
                                + " `--quadratic-up-to`");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("bench: interrupted", e);
        } finally {
            process.destroy();
        }
        return points;
    }

    /** Measures in this process. */
    static void measure(BenchPlan plan, Consumer<BenchPoint> listener) throws IOException {
        AttentionSpec spec = Methods.resolve(plan.method(), "--methods");
        try (AttentionWorkload warmUp = workload(plan, spec, WARM_UP_LENGTH)) {
            warmUp.forward();
            warmUp.forwardAndBackward();
        }
        boolean counted = PeakMemory.isCounted();
        long idle = counted ? PeakMemory.residentBytes() : 0;
        for (int length : plan.lengths()) {
            try (AttentionWorkload work = workload(plan, spec, length)) {
                Cost forward = cost(work::forward, plan.repeats(), counted, idle);
                Cost training = cost(work::forwardAndBackward, plan.repeats(), counted, idle);
                listener.accept(
                        new BenchPoint(
                                plan.method(),
                                plan.formName(),
                                length,
                                forward.millis,
                                training.millis,
                                forward.peakBytes,
                                training.peakBytes));
            }
        }
    }

    private static AttentionWorkload workload(BenchPlan plan, AttentionSpec spec, int length) {
        return new AttentionWorkload(
                spec, plan.shape(), plan.batchSize(), length, plan.form(), Device.cpu());
    }

    private record Cost(double millis, Long peakBytes) {}

    private static Cost cost(Runnable work, int repeats, boolean counted, long idle)
            throws IOException {
        if (counted) {
            PeakMemory.reset();
        }
        work.run();
        Long peak = counted ? PeakMemory.peakBytes() - idle : null;
        double[] millis = new double[repeats];
        for (int i = 0; i < repeats; i++) {
            long begin = System.nanoTime();
            work.run();
            millis[i] = (System.nanoTime() - begin) / 1e6;
        }
        return new Cost(Statistics.median(millis), peak);
    }
}
