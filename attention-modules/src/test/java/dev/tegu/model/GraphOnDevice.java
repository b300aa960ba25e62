package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.Engines;
import dev.tegu.engine.cuda.CudaException;
import dev.tegu.engine.cuda.CudaGraph;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Steps launched as one CUDA graph against the same steps called, for a machine that has a class
 * path and no build: {@code java -cp ... dev.tegu.model.GraphOnDevice cuda:0 [METHOD...]}.
 */
public final class GraphOnDevice {
    private static final int TOKENS = 200;
    private static final int BATCH = 16;

    private GraphOnDevice() {}

    /** Prints a line a model; exits with 1 if one differs or is not launched as a graph. */
    public static void main(String[] args) throws IOException {
        Device device = Engines.device(args.length > 0 ? args[0] : "auto");
        List<String> methods =
                args.length > 1
                        ? List.of(args).subList(1, args.length)
                        : List.of("lizard", "lolcats", "hedgehog", "gla");
        boolean isRight = true;
        Path dir = Files.createTempDirectory("tegu-graph");
        for (String method : methods) {
            for (DType type : List.of(DType.BF16, DType.F32)) {
                try (DecoderModel model =
                        DecodeOnDevice.model(dir.resolve(method + type), method, type, device)) {
                    isRight &= told(method, type, difference(model, TOKENS));
                }
            }
        }
        for (String method : methods.subList(0, Math.min(2, methods.size()))) {
            try (DecoderModel model = large(method, device)) {
                isRight &= told(method + " 1B", DType.BF16, difference(model, TOKENS / 2));
                double called = speed(model, 1024, false);
                double launched = speed(model, 1024, true);
                double far = speed(model, 65_536, true);
                System.out.printf(
                        Locale.ROOT,
                        "%-16s tokens/s, batch %d: called %.0f, graph %.0f, after 65,536 %.0f%n",
                        method,
                        BATCH,
                        called,
                        launched,
                        far);
            }
        }
        isRight &= refusesToWait(device);
        System.exit(isRight ? 0 : 1);
    }

    /** Whether work that waits for the device is refused, and nothing is broken afterwards. */
    private static boolean refusesToWait(Device device) {
        try (NDManager scope = Engines.newManager(device)) {
            NDArray x = scope.ones(new Shape(1));
            CudaGraph.record(device, x::toFloatArray).close();
            System.out.println("work that waits was recorded");
            return false;
        } catch (CudaException e) {
            Optional<String> reason = CudaGraph.reasonAgainst(device);
            System.out.println(
                    "refused: " + e.getMessage() + "; then " + reason.orElse("a graph as before"));
            return reason.isEmpty();
        }
    }

    private static boolean told(String method, DType type, String difference) {
        boolean isRight = difference.isEmpty();
        System.out.printf("%-16s %-5s %s%n", method, type, isRight ? "the same" : difference);
        return isRight;
    }

    /** A model of 1.2 billion weights. */
    private static DecoderModel large(String method, Device device) throws IOException {
        ObjectNode config =
                TinyModels.config(true)
                        .put("attention_bias", false)
                        .put("hidden_size", 2048)
                        .put("intermediate_size", 8192)
                        .put("num_hidden_layers", 16)
                        .put("num_attention_heads", 32)
                        .put("num_key_value_heads", 8)
                        .put("head_dim", 64)
                        .put("vocab_size", 128_256);
        ModelConfig teacher = ModelConfig.parse(config, "config.json");
        return DecoderModel.random(
                teacher.withLinearAttention(Optional.of(AttentionPresets.spec(method))),
                device,
                0,
                DType.BF16);
    }

    /** The first difference in greedy tokens or the logits after them; empty if there is none. */
    static String difference(DecoderModel model, int tokens) {
        DecoderState state = model.newState();
        List<int[]> prompts = List.of(TinyStudents.text(40, 1), TinyStudents.text(7, 2));
        try (NDManager scope = model.manager().newSubManager()) {
            model.forward(TokenBatch.padded(scope, prompts, TokenBatch.Side.LEFT), state);
        }
        try (state;
                TokenDecoder launched = new TokenDecoder(model, state);
                TokenDecoder called = new TokenDecoder(model, state)) {
            called.callSteps();
            int[] last = {3, 5};
            for (int step = 0; step < tokens; ) {
                if (step > tokens / 2 && last.length == 2) {
                    launched.keep(1);
                    called.keep(1);
                    last = new int[] {last[1]};
                }
                int count = Math.min(step % 3 == 0 ? 1 : Generator.BURST, tokens - step);
                int[][] expected = called.greedy(last, count);
                int[][] found = launched.greedy(last, count);
                if (!Arrays.deepEquals(expected, found)) {
                    return "tokens differ in the %d after the first %d: %s, expected %s"
                            .formatted(
                                    count,
                                    step,
                                    Arrays.deepToString(found),
                                    Arrays.deepToString(expected));
                }
                last = expected[count - 1];
                step += count;
            }
            double off = TinyModels.distance(called.logits(last), launched.logits(last));
            if (!(off <= 1e-6)) {
                return "logits differ by " + off;
            }
            Optional<String> expected = DecodeScript.reasonAgainstGraph(model);
            Optional<String> found = launched.reasonAgainstLaunches();
            return expected.equals(found) ? "" : "no graph: " + found.orElse("");
        }
    }

    /** Tokens a second, all rows together. */
    private static double speed(DecoderModel model, int context, boolean isLaunched) {
        try (TokenDecoder decoder = TokenDecoder.random(model, BATCH, context);
                NDManager scope = model.manager().newSubManager()) {
            if (!isLaunched) {
                decoder.callSteps();
            }
            NDArray ids = scope.zeros(new Shape(BATCH), DataType.INT64);
            decoder.greedy(ids, 4).toLongArray();
            int bursts = isLaunched ? 8 : 2;
            long begin = System.nanoTime();
            for (int i = 0; i < bursts; i++) {
                decoder.greedy(ids, Generator.BURST);
            }
            decoder.greedy(ids, 1).toLongArray();
            double seconds = (System.nanoTime() - begin) * 1e-9;
            return BATCH * (bursts * Generator.BURST + 1) / seconds;
        }
    }
}
