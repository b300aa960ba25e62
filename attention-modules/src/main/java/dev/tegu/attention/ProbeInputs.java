package dev.tegu.attention;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Checks the header of a file for {@link AttentionProbe} against the switches of a layer, all
 * faults at once, before a tensor is read or memory is taken.
 */
final class ProbeInputs {
    static final String GRAD_OUTPUT = "grad_output";
    static final String MASK = "mask";
    static final String DOCUMENT = "document";
    static final String LOG_GATE = "g";
    static final String LOG_DECAY = "gate.log_decay";

    private static final Set<DType> MASKS =
            Set.of(DType.F32, DType.F64, DType.I64, DType.BOOL, DType.U8);

    /** Elements of the largest array that a probe makes: 2 GiB in float32. */
    private static final long MOST_ELEMENTS = 1L << 29;

    private final Path file;
    private final Map<String, TensorInfo> tensors;
    private final List<String> faults = new ArrayList<>();
    private boolean isMissing;

    private ProbeInputs(Path file, Map<String, TensorInfo> tensors) {
        this.file = file;
        this.tensors = tensors;
    }

    /** The layer that the tensors ask for: its switches, its sizes, the type of q, k and v. */
    record Layer(AttentionSpec spec, AttentionShape shape, DType dtype) {}

    /**
     * @param file for messages
     * @param tensors header of the file
     * @throws CheckpointException if a tensor is missing, has another shape or type than the
     *     switches ask for, or the sizes are beyond what a probe is for
     */
    static Layer check(
            AttentionSpec spec,
            AttentionProbe.Form form,
            int chunkSize,
            Path file,
            Map<String, TensorInfo> tensors) {
        ProbeInputs inputs = new ProbeInputs(file, tensors);
        inputs.checkTypes();
        long[] q = inputs.dimensions("q", 4);
        long[] k = inputs.dimensions("k", 4);
        inputs.dimensions("v", 4);
        inputs.fail();
        AttentionSpec gated = inputs.withReadyGate(spec);
        AttentionShape shape = inputs.checkShapes(gated, q, k);
        inputs.fail();
        gated.check(shape);
        inputs.checkSize(gated, form, chunkSize, q, k[1]);
        inputs.fail();
        return new Layer(gated, shape, tensors.get("q").dtype());
    }

    /** Whether a tensor is made of numbers that a gradient can be taken by. */
    static boolean isFloatInput(String name) {
        return !name.equals(MASK) && !name.equals(DOCUMENT);
    }

    private void checkTypes() {
        boolean isDouble =
                tensors.values().stream()
                        .anyMatch(t -> t.dtype() == DType.F64 && isFloatInput(t.name()));
        Set<DType> floats = isDouble ? Set.of(DType.F64) : Set.of(DType.F32, DType.BF16, DType.F16);
        String expected = isDouble ? "F64 as other tensors are" : "F32, F64, BF16 or F16";
        for (TensorInfo info : tensors.values()) {
            String name = info.name();
            DType dtype = info.dtype();
            if (name.equals(DOCUMENT)) {
                expectType(name, dtype == DType.I64, "I64", dtype);
            } else if (name.equals(MASK)) {
                expectType(name, MASKS.contains(dtype), "BOOL, U8, I64, F32 or F64", dtype);
            } else {
                expectType(name, floats.contains(dtype), expected, dtype);
            }
        }
        for (String name : List.of("k", "v")) {
            if (tensors.containsKey("q") && tensors.containsKey(name)) {
                DType queries = tensors.get("q").dtype();
                DType found = tensors.get(name).dtype();
                expectType(name, found == queries, queries + " as `q` is", found);
            }
        }
    }

    private void expectType(String name, boolean right, String expected, DType found) {
        if (!right) {
            faults.add("`" + name + "`: found " + found + ", expected " + expected);
        }
    }

    /** The dimensions of a tensor, every one at least 1; null after a fault. */
    private long[] dimensions(String name, int count) {
        TensorInfo info = tensors.get(name);
        if (info == null) {
            missing(name);
            return null;
        }
        long[] found = info.dimensions();
        if (found.length != count || Arrays.stream(found).anyMatch(n -> n < 1)) {
            faults.add(
                    ("`" + name + "`: expected " + count + " dimensions of at least 1")
                            + (name.equals("q") ? " [B, H, T, D]" : "")
                            + (name.equals("k") || name.equals("v") ? " [B, K, T, D]" : "")
                            + (", found " + written(found)));
            return null;
        }
        return found;
    }

    private void missing(String name) {
        isMissing = true;
        faults.add("no tensor `" + name + "`");
    }

    /**
     * A ready log-gate says by its shape whether heads share it and whether each feature has one,
     * whatever kind of gate the switch names.
     */
    private AttentionSpec withReadyGate(AttentionSpec spec) {
        TensorInfo g = tensors.get(LOG_GATE);
        if (g == null || !spec.isGated() || g.shape().size() < 3 || g.shape().size() > 4) {
            return spec;
        }
        GateSpec.Per per = g.shape().get(1) == 1 ? GateSpec.Per.LAYER : GateSpec.Per.HEAD;
        boolean vector = g.shape().size() == 4;
        return spec.withGate(GateSpec.ready(vector, per, spec.gate().absorb()));
    }

    private AttentionShape checkShapes(AttentionSpec spec, long[] q, long[] k) {
        long batch = q[0];
        long heads = q[1];
        long length = q[2];
        long width = q[3];
        boolean fits = heads <= Integer.MAX_VALUE && width <= Integer.MAX_VALUE;
        if (!fits || heads % k[1] != 0) {
            faults.add(
                    "expected q [B, H, T, D] and k [B, K, T, D], K a divisor of H, found "
                            + (written(q) + " and " + written(k)));
            fail();
        }
        expect("k", batch, k[1], length, width);
        expect("v", batch, k[1], length, width);
        expectIfThere(GRAD_OUTPUT, batch, heads, length, width);
        expectIfThere(MASK, batch, length);
        expectIfThere(DOCUMENT, batch, length);
        checkRotation(batch, length, width);
        long hidden = checkGate(spec, batch, heads, length, width);
        AttentionShape shape =
                new AttentionShape((int) heads, (int) k[1], (int) width, (int) hidden);
        boolean ready = spec.isGated() && tensors.containsKey(LOG_GATE);
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            if (!ready || !parameter.name().startsWith("gate.")) {
                expect(
                        parameter.name(),
                        parameter.shape().stream().mapToLong(Long::longValue).toArray());
            }
        }
        return shape;
    }

    private void checkRotation(long batch, long length, long width) {
        for (String name : List.of("cos", "sin")) {
            if (!tensors.containsKey("cos") && !tensors.containsKey("sin")) {
                continue;
            }
            if (!tensors.containsKey(name)) {
                missing(name);
            } else if (!has(name, length, width) && !has(name, batch, length, width)) {
                long[] one = {length, width};
                long[] each = {batch, length, width};
                wrongShape(name, written(one) + " or " + written(each));
            }
        }
        if (tensors.containsKey("cos") && width % 2 != 0) {
            faults.add(
                    "`cos`: rotates halves of a head, " + width + " wide; leave out cos and sin");
        }
    }

    /** Width of the layer's input, 1 where none is needed. */
    private long checkGate(AttentionSpec spec, long batch, long heads, long length, long width) {
        if (spec.isGated() && tensors.containsKey(LOG_GATE)) {
            long[] single = {batch, heads, length};
            long[] each = {
                batch, heads, length, spec.featureMap().featureWidth(Math.toIntExact(width))
            };
            boolean right = has(LOG_GATE, single) || has(LOG_GATE, each);
            single[1] = 1;
            each[1] = 1;
            if (!right && !has(LOG_GATE, single) && !has(LOG_GATE, each)) {
                String expected = written(single) + " or " + written(each);
                wrongShape(LOG_GATE, expected + ", the second number 1 or " + heads);
            }
            return 1;
        }
        if (spec.gate().kind() == GateSpec.Kind.CONSTANT) {
            expectIfThere(LOG_DECAY, heads);
        }
        if (!spec.gate().readsInput()) {
            return 1;
        }
        long[] x = dimensions("x", 3);
        if (x == null) {
            // Without its width nothing can be said of the gate's parameters.
            fail();
            return 1;
        }
        expect("x", batch, length, x[2]);
        return Math.toIntExact(x[2]);
    }

    private void expectIfThere(String name, long... expected) {
        if (tensors.containsKey(name)) {
            expect(name, expected);
        }
    }

    private void expect(String name, long... expected) {
        if (!tensors.containsKey(name)) {
            missing(name);
        } else if (!has(name, expected)) {
            wrongShape(name, written(expected));
        }
    }

    private boolean has(String name, long... expected) {
        return Arrays.equals(tensors.get(name).dimensions(), expected);
    }

    private void wrongShape(String name, String expected) {
        faults.add(
                ("`" + name + "`: expected shape " + expected)
                        + (", found " + written(tensors.get(name).dimensions())));
    }

    /** The arrays that can be far larger than what is in the file, by the switches or the form. */
    private void checkSize(
            AttentionSpec spec,
            AttentionProbe.Form form,
            int chunkSize,
            long[] q,
            long numKvHeads) {
        double rows = (double) q[0] * q[1];
        double length = q[2];
        double width = q[3];
        double reach = 2.0 * spec.window().size();
        double features = 0;
        if (spec.isLinear()) {
            double p = spec.featureMap().projectionDim((int) q[3]);
            boolean taylor = spec.featureMap().kind() == FeatureMapSpec.Kind.TAYLOR;
            features = taylor ? 1 + p + p * (p + 1) / 2 : Math.max(width, 2 * p);
        }
        require("a window state of", q[0] * numKvHeads * reach * width);
        double kept = (double) spec.window().keepFirst() * q[0] * numKvHeads * width;
        require("kept tokens of", kept);
        require("sums of", rows * features * (width + 1));
        require("features of", rows * length * features);
        if (form == AttentionProbe.Form.REFERENCE) {
            require("the reference form's weights of", rows * length * length);
        } else if (form == AttentionProbe.Form.CHUNKED) {
            require("a chunk's weights of", rows * length * Math.min(chunkSize, length));
            require("the window's keys of", q[0] * numKvHeads * (length + reach) * width);
            require("the window's scores of", rows * length * (reach + 64));
        }
    }

    private void require(String what, double elements) {
        if (elements > MOST_ELEMENTS) {
            faults.add(
                    (what + String.format(" %.0f numbers, ", elements))
                            + ("a probe takes at most " + MOST_ELEMENTS)
                            + "; probe a shorter text, or lower the window or the feature width");
        }
    }

    private static String written(long[] dimensions) {
        return Arrays.stream(dimensions)
                .mapToObj(Long::toString)
                .collect(Collectors.joining(", ", "(", ")"));
    }

    private void fail() {
        if (faults.isEmpty()) {
            return;
        }
        String found = "";
        if (isMissing) {
            found =
                    tensors.keySet().stream()
                            .limit(20)
                            .collect(Collectors.joining(", ", "; the file has ", ""));
        }
        throw new CheckpointException(file + ": " + String.join("; ", faults) + found);
    }
}
