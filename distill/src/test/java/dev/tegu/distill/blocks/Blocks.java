package dev.tegu.distill.blocks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.Tiny;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Teachers and requests for them, in a folder of a test. */
final class Blocks {
    static final TrainingListener SILENT = new TrainingListener() {};

    private Blocks() {}

    /** A teacher with a tokenizer of one id a character. */
    static Path teacher(Path folder, String name, int layers, long seed) throws IOException {
        Path tokenizer = Files.createDirectories(folder.resolve("tokenizer"));
        StringBuilder vocabulary = new StringBuilder("\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2");
        for (char c = 'a'; c <= 'z'; c++) {
            vocabulary.append(", \"").append(c).append("\": ").append((int) c);
        }
        for (char c = '0'; c <= '9'; c++) {
            vocabulary.append(", \"").append(c).append("\": ").append((int) c);
        }
        Files.writeString(
                tokenizer.resolve("tokenizer.json"),
                """
                {
                  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
                  "normalizer": null, "post_processor": null, "decoder": null,
                  "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."},
                                    "behavior": "Isolated", "invert": false},
                  "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {VOCABULARY}}
                }
                """
                        .replace("VOCABULARY", vocabulary));
        ObjectNode config = Tiny.config(layers).put("bos_token_id", 1).put("eos_token_id", 2);
        Path teacher = folder.resolve(name);
        try (DecoderModel model = TinyModels.random(config, seed)) {
            ModelWriter.of(model, config, DType.F32).tokenizer(tokenizer).write(teacher);
        }
        return teacher;
    }

    /** A request for the first layer of a teacher; a few steps. */
    static BlockRequest request(Path teacher, String keepSoftmax) throws IOException {
        Path text = Tiny.text(teacher.getParent());
        DataSettings data =
                ConfigBinder.bind(
                        ConfigNode.parse("{train: ['" + text + "'], sequence_length: 24}", "test"),
                        DataSettings.class);
        return new BlockRequest(
                teacher.toString(),
                Tiny.method("lolcats", keepSoftmax),
                0,
                1,
                data,
                Tiny.stage1("{tokens: 240, batch_size: 2, max_grad_norm: 0.1}"),
                5,
                "cpu");
    }

    /** Trains each block of a model by itself. */
    static List<Path> train(BlockRequest request, int layers, int length, Path output)
            throws IOException {
        List<Path> files = new ArrayList<>();
        for (BlockRequest block : request.split(layers, length)) {
            files.add(BlockTraining.train(block, output, SILENT));
        }
        return files;
    }
}
