package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * What tells one base model from another: its config.json, its weight files and its tokenizer.json,
 * byte for byte.
 *
 * <p>The digest is the SHA-256 of one line a file, {@code SHA256 NAME\n}, sorted by name; {@code
 * sha256sum} of the same files, sorted so, and once more {@code sha256sum}, gives the same.
 */
public final class BaseModelDigest {
    private final List<Path> files;

    /**
     * @param model whose files are read by {@link #compute}
     */
    public BaseModelDigest(HuggingFaceDirectory model) {
        List<Path> all = new ArrayList<>(model.weightFiles());
        List<String> others = new ArrayList<>(WeightFiles.indexes());
        others.addAll(List.of("config.json", "tokenizer.json"));
        for (String name : others) {
            Path file = model.path().resolve(name);
            if (Files.isRegularFile(file)) {
                all.add(file);
            }
        }
        all.sort(Comparator.comparing(file -> file.getFileName().toString()));
        files = List.copyOf(all);
    }

    /** Bytes that {@link #compute} reads. */
    public long bytes() throws IOException {
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    /**
     * Reads all files.
     *
     * @param read hears of each piece that was read, in bytes
     * @return 64 hex digits
     */
    public String compute(LongConsumer read) throws IOException {
        MessageDigest digest = Sha256.start();
        for (Path file : files) {
            String line = Sha256.ofFile(file, read) + "  " + file.getFileName() + "\n";
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
