package dev.tegu.cli.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.engine.Engines;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * One thing to measure in a process of its own.
 *
 * @param work what of it
 * @param method preset or file; blank for the teacher
 * @param device {@code cpu} or {@code cuda:N}
 * @param type of the weights in memory
 * @param config sizes of the model, see {@link ModelShape}
 * @param batchSize rows
 * @param sequenceLength tokens of a training sequence
 * @param steps training steps that count
 * @param gradientCheckpointing whether fine-tuning keeps the layers' inputs alone
 * @param contexts tokens before the first decoded one, ascending
 * @param prefillUpTo longest context that is read; longer ones are put in place
 * @param decodeTokens tokens a row that are timed
 */
public record SpeedJob(
        Work work,
        String method,
        String device,
        DType type,
        ObjectNode config,
        int batchSize,
        int sequenceLength,
        int steps,
        boolean gradientCheckpointing,
        List<Integer> contexts,
        int prefillUpTo,
        int decodeTokens) {
    private static final JsonMapper JSON = new JsonMapper();

    /** What is measured. */
    public enum Work {
        /** Steps of attention transfer. */
        ATTENTION_TRANSFER,
        /** Steps of fine-tuning with adapters. */
        LORA_FINETUNE,
        /** Prefill and decoding. */
        DECODING
    }

    /** Takes a copy. */
    public SpeedJob {
        contexts = List.copyOf(contexts);
    }

    /** What the model is called in tables. */
    public String name() {
        return method.isBlank() ? "teacher" : method;
    }

    /** As a word for another process. */
    String text() {
        return JSON.valueToTree(this).toString();
    }

    /** From {@link #text}. */
    static SpeedJob parse(String text) throws IOException {
        return JSON.readValue(text, SpeedJob.class);
    }

    /** The job's model, random; to be closed by the caller. */
    DecoderModel model() throws IOException {
        Optional<AttentionSpec> spec =
                method.isBlank()
                        ? Optional.empty()
                        : Optional.of(Methods.resolve(method, "--methods"));
        ModelConfig teacher = ModelConfig.parse(config, "--shape");
        return DecoderModel.random(
                teacher.withLinearAttention(spec), Engines.device(device), 0, type);
    }
}
