package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.DType;
import dev.tegu.eval.corpus.BpeTrainer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** A random Llama of two layers with a tokenizer, some text, and an experiment with both. */
final class TinyTeacher {
    private static final String TEXT =
            "Records:\nvole: 7098\nThe cat sat on the mat. What is the value of vole? ".repeat(60);
    private static final int VOCABULARY = 300;
    private static final int POSITIONS = 512;

    private TinyTeacher() {}

    /** Writes {@code teacher/} and {@code text.txt} into a folder. */
    static Path writeInto(Path folder) throws IOException {
        Path tokenizer = folder.resolve("tokenizer");
        Path teacher = folder.resolve("teacher");
        Files.writeString(folder.resolve("text.txt"), TEXT);
        BpeTrainer.train(Stream.of(TEXT), VOCABULARY).write(tokenizer, POSITIONS);
        ObjectNode config = TinyModels.config(true);
        config.put("num_hidden_layers", 2)
                .put("vocab_size", VOCABULARY)
                .put("max_position_embeddings", POSITIONS);
        try (DecoderModel model = TinyModels.random(config, 1)) {
            ModelWriter.of(model, config, DType.F32).tokenizer(tokenizer).write(teacher);
        }
        return teacher;
    }

    /** A few steps of both stages, evaluation and export, of what is in that folder. */
    static String experiment(Path folder) {
        return """
        teacher: FOLDER/teacher
        method: lolcats
        method_overrides: {window: {size: 8}}
        output: FOLDER/out
        device: cpu
        data: {train: [FOLDER/text.txt], validation: [FOLDER/text.txt], sequence_length: 32}
        attention_transfer: {tokens: 512, batch_size: 4, log_every: 1}
        lora_finetune: {tokens: 256, batch_size: 4, r: 2, log_every: 1}
        eval:
          tasks: [perplexity, recall]
          limit: 2
          perplexity: {context: 64, max_tokens: 128}
          recall: {records: 3}
        controls: [untrained, window-sinks@state]
        export: {format: hf, dtype: float32}
        """
                .replace("FOLDER", folder.toString());
    }
}
