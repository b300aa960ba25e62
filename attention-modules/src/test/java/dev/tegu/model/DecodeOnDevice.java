package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Decoding with one call a token against layer by layer on any device, for a machine that has a
 * class path and no build: {@code java -cp ... dev.tegu.model.DecodeOnDevice cuda:0 [METHOD...]}.
 */
public final class DecodeOnDevice {
    /** Heads of 64, as kernels on a GPU like them; windows of 128 fill up on the way. */
    private static final int TOKENS = 140;

    private DecodeOnDevice() {}

    /** Prints a line a model; exits with 1 if one differs. */
    public static void main(String[] args) throws IOException {
        Device device = Engines.device(args.length > 0 ? args[0] : "auto");
        List<String> methods =
                args.length > 1
                        ? List.of(args).subList(1, args.length)
                        : Stream.concat(Stream.of("teacher"), AttentionPresets.NAMES.stream())
                                .toList();
        boolean isRight = true;
        Path dir = Files.createTempDirectory("tegu-decode");
        for (String method : methods) {
            for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
                isRight &= check(dir.resolve(method + type), method, type, device);
            }
        }
        System.exit(isRight ? 0 : 1);
    }

    /** A model of random large weights, written to a folder and read again. */
    static DecoderModel model(Path dir, String method, DType type, Device device)
            throws IOException {
        ObjectNode config =
                TinyModels.config(false)
                        .put("hidden_size", 128)
                        .put("intermediate_size", 96)
                        .put("num_attention_heads", 4)
                        .put("head_dim", 64)
                        .put("vocab_size", 100);
        try (DecoderModel random = TinyModels.random(config, 5)) {
            ModelWriter.of(random, config, type).write(dir);
        }
        Optional<AttentionSpec> student =
                Optional.of(method).filter(m -> !m.equals("teacher")).map(AttentionPresets::spec);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            ModelConfig read =
                    ModelConfig.parse(files.config(), "config.json").withLinearAttention(student);
            DecoderModel model = DecoderModel.load(files, read, device, 3, type, false);
            TinyModels.disturb(model);
            return model;
        }
    }

    /** Whether a model's tokens are the same both ways. */
    static boolean check(Path dir, String method, DType type, Device device) throws IOException {
        try (DecoderModel model = model(dir, method, type, device)) {
            Optional<String> reason = DecodeScript.reasonAgainst(model);
            if (reason.isPresent()) {
                say(method, type, "layer by layer: " + reason.get());
                return true;
            }
            double off = difference(model);
            // both ways round, each in its own places, and the weights are large
            double bound = type == DType.F32 ? 1e-3 : type == DType.F16 ? 1e-2 : 8e-2;
            say(method, type, String.format(Locale.ROOT, "off by %.2e, bound %.0e", off, bound));
            return off <= bound;
        }
    }

    private static void say(String method, DType type, String text) {
        System.out.printf(Locale.ROOT, "%-16s %-5s %s%n", method, type, text);
    }

    /** Relative root mean square difference of logits of two rows, later of one. */
    private static double difference(DecoderModel model) throws IOException {
        DecoderState state = model.newState();
        List<int[]> prompts = List.of(TinyStudents.text(40, 1), TinyStudents.text(7, 2));
        try (NDManager scope = model.manager().newSubManager()) {
            model.forward(TokenBatch.padded(scope, prompts, TokenBatch.Side.LEFT), state);
        }
        double off = 0;
        double size = 0;
        try (Decoding fast = new TokenDecoder(model, state);
                Decoding slow = new LayerwiseDecoding(model, state)) {
            int rows = 2;
            for (int step = 0; step < TOKENS; step++) {
                if (step == TOKENS - 20) {
                    fast.keep(1);
                    slow.keep(1);
                    rows = 1;
                }
                int[] ids = new int[rows];
                for (int row = 0; row < rows; row++) {
                    ids[row] = (5 * step * step + 3 * row + 7 * step) % 100;
                }
                float[] expected = slow.logits(ids);
                float[] found = fast.logits(ids);
                for (int i = 0; i < expected.length; i++) {
                    off += Math.pow((double) expected[i] - found[i], 2);
                    size += Math.pow(expected[i], 2);
                }
            }
            fast.state().close();
        }
        return Math.sqrt(off / size);
    }
}
