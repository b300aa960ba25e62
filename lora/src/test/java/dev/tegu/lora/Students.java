package dev.tegu.lora;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Students with adapters, made in a folder of a test. */
final class Students {
    static final List<String> LLAMA =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

    static final LoraSettings ALL = new LoraSettings(3, 6, Students.LLAMA);
    static final LoraSettings TWO = new LoraSettings(2, 5, List.of("q_proj", "down_proj"));

    private Students() {}

    /** {@code dir/teacher} and the untrained {@code dir/student}. */
    static Path untrained(Path dir, boolean ties, DType dtype) throws IOException {
        Path teacher = TinyModels.teacher(dir.resolve("teacher"), ties, dtype);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, TinyModels.spec("{window: {size: 4}}"), 5)
                    .write(dir.resolve("student"));
        }
        return dir.resolve("student");
    }

    /** Gives every B other values than zero. */
    static void train(LoraAdapters adapters) {
        for (Map.Entry<String, NDArray> parameter : adapters.parameters().entrySet()) {
            if (parameter.getKey().contains("lora_B")) {
                TinyModels.add(parameter.getValue(), 0.25, parameter.getKey().hashCode());
            }
        }
    }

    /** {@code dir/trained}: new parameters moved, adapters beside. Returns its logits in memory. */
    static float[] trained(Path dir, Path student, LoraSettings settings) throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student);
                DecoderModel model = DecoderModel.load(student, Device.cpu())) {
            TinyModels.disturb(model);
            LoraAdapters adapters = LoraAdapters.create(model, settings, 7);
            train(adapters);
            adapters.addTo(ModelWriter.copyOf(files).parameters(model))
                    .write(dir.resolve("trained"));
            return TinyModels.logits(model);
        }
    }

    /** Logits with adapters. */
    static float[] logits(Path dir) throws IOException {
        try (DecoderModel model = AdaptedModels.load(dir, Device.cpu())) {
            return TinyModels.logits(model);
        }
    }
}
