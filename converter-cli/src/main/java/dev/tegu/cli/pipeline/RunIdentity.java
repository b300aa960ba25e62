package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.BaseModelDigest;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.Progress;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.Differences;
import dev.tegu.distill.data.PackedDataset;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What a run is made from, beside its settings: the base model and the texts, by their bytes.
 *
 * <p>It stands in the manifest of every checkpoint and of the result, and a run that is resumed
 * must have the same.
 *
 * @param facts text by key
 */
public record RunIdentity(Map<String, String> facts) {
    private static final long MEGABYTE = 1_000_000;

    /** Models from this size on are read with a bar. */
    private static final long LARGE = 2000 * MEGABYTE;

    public RunIdentity {
        facts = Collections.unmodifiableMap(new TreeMap<>(facts));
    }

    /** Of nothing. */
    public static RunIdentity empty() {
        return new RunIdentity(Map.of());
    }

    /** This with a base model, whose files are read whole. */
    RunIdentity withBaseModel(HuggingFaceDirectory model, Console console) throws IOException {
        BaseModelDigest digest = new BaseModelDigest(model);
        long total = digest.bytes();
        if (total < LARGE) {
            return with("base_model_sha256", digest.compute(count -> {}));
        }
        long[] read = new long[1];
        try (Progress progress =
                console.progress("base model's digest", "megabyte", 0, total / MEGABYTE)) {
            return with(
                    "base_model_sha256",
                    digest.compute(
                            count -> {
                                read[0] += count;
                                progress.at(read[0] / MEGABYTE, "");
                            }));
        }
    }

    /**
     * This with what is trained on and measured, by its tokens: texts and tokenizer decide them.
     */
    public RunIdentity withData(PackedDataset train, Optional<PackedDataset> validation) {
        RunIdentity result = with("data.train_sha256", train.digest());
        return validation
                .map(held -> result.with("data.validation_sha256", held.digest()))
                .orElse(result);
    }

    /** This with one more fact. */
    public RunIdentity with(String key, String value) {
        Map<String, String> more = new TreeMap<>(facts);
        more.put(key, value);
        return new RunIdentity(more);
    }

    /** This with every setting of a block, by dotted keys. */
    public RunIdentity withSettings(String prefix, Record settings) {
        Map<String, String> more = new TreeMap<>(facts);
        Differences.flat(ConfigBinder.toNode(settings))
                .forEach((key, value) -> more.put(prefix + "." + key, value));
        return new RunIdentity(more);
    }

    /**
     * Refuses a result that was made from something else.
     *
     * @param result directory with a manifest that holds an identity
     * @throws CheckpointException with every difference
     */
    public void requireSame(Path result) throws IOException {
        Map<String, String> before = new TreeMap<>(Manifest.read(result).properties());
        before.keySet().retainAll(facts.keySet());
        List<String> differences = Differences.of(before, facts);
        if (!differences.isEmpty()) {
            throw new CheckpointException(
                    result
                            + ": was made from something else: "
                            + String.join("; ", differences)
                            + ". Use what it was made from, or another `output`.");
        }
    }
}
