package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * What a model computes with, as one number: SHA-256 of one line a file, {@code SHA256 NAME\n},
 * sorted by name, over the configuration, the weights with their index, and the adapters of a
 * folder. The tokenizer is not part of it.
 *
 * <p>Digests of files come from the folder's manifest where it knows a file of that size, and a
 * student is known at once; other files are read.
 */
public final class WeightsDigest {
    private WeightsDigest() {}

    /**
     * @param model folder of a teacher, a student or an export
     * @return 64 hexadecimal digits
     * @throws CheckpointException if the manifest is damaged, or the folder has none of these files
     */
    public static String of(Path model) throws IOException {
        Map<String, String> known = new HashMap<>();
        if (Durable.exists(model.resolve(Manifest.FILE_NAME))) {
            for (Manifest.FileEntry entry : Manifest.read(model).files()) {
                Path file = model.resolve(entry.name());
                if (Durable.isFile(file) && Files.size(file) == entry.size()) {
                    known.put(entry.name(), entry.sha256());
                }
            }
        }
        StringBuilder lines = new StringBuilder();
        for (String name : Durable.fileNames(model)) {
            if (isPart(name)) {
                String digest = known.get(name);
                lines.append(digest == null ? Sha256.ofFile(model.resolve(name)) : digest)
                        .append("  ")
                        .append(name)
                        .append('\n');
            }
        }
        if (lines.isEmpty()) {
            // One number for all of them would mistake the answers of one model for another's.
            throw new CheckpointException(model + ": no weights in it; is this a model's folder?");
        }
        return Sha256.hex(lines.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Files of the folder itself: what lies in folders below is not the model's. */
    private static boolean isPart(String name) {
        return name.indexOf('/') < 0
                && (name.endsWith(".safetensors")
                        || name.endsWith(".bin")
                        || name.endsWith(".index.json")
                        || name.equals("config.json")
                        || name.equals("adapter_config.json"));
    }
}
