package dev.tegu.lora;

import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;

/**
 * The Python files with which transformers loads a student of any family, and the keys of
 * config.json that name them and tell them the family's data. They compute what Tegu computes, in
 * plain PyTorch.
 */
final class TransformersFiles {
    /** What {@code auto_map} of config.json says. */
    static final Map<String, String> AUTO_MAP =
            Map.of(
                    "AutoConfig", "configuration_tegu.TeguConfig",
                    "AutoModelForCausalLM", "modeling_tegu.TeguForCausalLM");

    /** The files, beside the weights. */
    static final List<String> NAMES = List.of("configuration_tegu.py", "modeling_tegu.py");

    private TransformersFiles() {}

    static void addTo(ModelWriter writer) {
        writer.transformers(AUTO_MAP);
        writer.extra(
                directory -> {
                    for (String name : NAMES) {
                        Files.write(directory.path(name), bytes(name));
                    }
                });
    }

    private static byte[] bytes(String name) throws IOException {
        try (InputStream in = TransformersFiles.class.getResourceAsStream("transformers/" + name)) {
            return in.readAllBytes();
        }
    }
}
