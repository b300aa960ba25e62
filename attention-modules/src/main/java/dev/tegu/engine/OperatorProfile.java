package dev.tegu.engine;

import ai.djl.pytorch.jni.JniUtils;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Where the time of a piece of work on the CPU goes, by operator of libtorch, as its own profiler
 * saw it.
 *
 * @param seconds from start to end, by the clock
 * @param selfSeconds of each operator without the operators it calls, longest first; what is
 *     missing to {@code seconds} was spent outside of operators: in Java, in scripts' own
 *     bookkeeping, in autograd
 */
public record OperatorProfile(double seconds, Map<String, Double> selfSeconds) {
    /** Operators that multiply matrices, attention in one operator among them. */
    private static final Set<String> MATRIX_PRODUCTS =
            Set.of(
                    "aten::mm",
                    "aten::bmm",
                    "aten::addmm",
                    "aten::baddbmm",
                    "aten::_scaled_dot_product_flash_attention_for_cpu",
                    "aten::_scaled_dot_product_flash_attention_for_cpu_backward");

    /** Keeps the order. */
    public OperatorProfile {
        selfSeconds = Collections.unmodifiableMap(new LinkedHashMap<>(selfSeconds));
    }

    /** A profile that has been begun; one a process. */
    public static final class Running {
        private final long begin = System.nanoTime();

        /**
         * Ends it.
         *
         * @throws IOException if the profiler's file cannot be written or read
         */
        public OperatorProfile end() throws IOException {
            double seconds = (System.nanoTime() - begin) * 1e-9;
            Path trace = Files.createTempFile("tegu-profile", ".json");
            try {
                JniUtils.stopProfile(trace.toString());
                return new OperatorProfile(
                        seconds, self(new JsonMapper().readTree(trace.toFile())));
            } finally {
                Files.delete(trace);
            }
        }
    }

    /** Begins to watch all operators of this process. */
    public static Running begin() {
        JniUtils.startProfile(false, false, false);
        return new Running();
    }

    /** Part of the time that went into matrix products, 0 to 1. */
    public double matrixProductShare() {
        return MATRIX_PRODUCTS.stream()
                        .mapToDouble(name -> selfSeconds.getOrDefault(name, 0.0))
                        .sum()
                / seconds;
    }

    /** Whether an operator multiplies matrices. */
    public static boolean isMatrixProduct(String operator) {
        return MATRIX_PRODUCTS.contains(operator);
    }

    /** One call of an operator, in microseconds. */
    private record Call(String name, int thread, double from, double to) {}

    /**
     * @param trace calls in the format of Chrome's traces: {@code name}, {@code tid}, {@code ts}
     *     and {@code dur} in microseconds
     */
    static Map<String, Double> self(JsonNode trace) {
        List<Call> calls = new ArrayList<>();
        for (JsonNode event : trace) {
            double from = event.path("ts").asDouble();
            calls.add(
                    new Call(
                            event.path("name").asText(),
                            event.path("tid").asInt(),
                            from,
                            from + event.path("dur").asDouble()));
        }
        // a caller begins before what it calls, and ends after it
        calls.sort(
                Comparator.comparingInt(Call::thread)
                        .thenComparingDouble(Call::from)
                        .thenComparing(Comparator.comparingDouble(Call::to).reversed()));
        Map<String, Double> self = new HashMap<>();
        Deque<Call> open = new ArrayDeque<>();
        for (Call call : calls) {
            while (!open.isEmpty() && !holds(open.peek(), call)) {
                open.pop();
            }
            double length = (call.to() - call.from()) * 1e-6;
            self.merge(call.name(), length, Double::sum);
            if (!open.isEmpty()) {
                self.merge(open.peek().name(), -length, Double::sum);
            }
            open.push(call);
        }
        Map<String, Double> sorted = new LinkedHashMap<>();
        self.entrySet().stream()
                .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
                .forEach(entry -> sorted.put(entry.getKey(), entry.getValue()));
        return sorted;
    }

    private static boolean holds(Call outer, Call inner) {
        return outer.thread() == inner.thread() && inner.from() < outer.to();
    }
}
