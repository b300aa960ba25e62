package dev.tegu.model;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.FiniteValues;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Sha256;
import dev.tegu.checkpoint.WeightFile;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Checks the weights of an open checkpoint against its config.json and themselves, reading every
 * byte, one small piece in memory at a time.
 */
public final class Verification {
    /** How many tensors with a number that is not finite are named. */
    private static final int NAMED = 10;

    private Verification() {}

    /** Whether the family is known, so that {@link #faults} looks at names and shapes too. */
    public static boolean isFamilyKnown(HuggingFaceDirectory model) {
        String type = model.config().path("model_type").asText();
        return type.equals(ModelConfig.STUDENT_TYPE) || Architecture.find(type).isPresent();
    }

    /**
     * Everything that is wrong: tensors that are missing, not expected or misshapen and tied names
     * whose tensors differ, where the family is known; and for each tensor its first number that is
     * not finite.
     *
     * @throws CheckpointException if config.json or a file is damaged
     */
    public static List<String> faults(HuggingFaceDirectory model) throws IOException {
        List<String> faults = new ArrayList<>();
        if (isFamilyKnown(model)) {
            String source = model.path().resolve("config.json").toString();
            ModelConfig config = ModelConfig.parse(model.config(), source);
            faults.addAll(LayoutCheck.faults(model, config));
            tiedFault(model, config).ifPresent(faults::add);
        }
        List<String> infinite = new ArrayList<>();
        for (String name : model.names()) {
            FiniteValues.firstFault(model.fileOf(name), name).ifPresent(infinite::add);
        }
        return withFirst(faults, infinite);
    }

    /**
     * As {@link #faults(HuggingFaceDirectory)}, for a file that stands alone, such as adapters:
     * numbers that are not finite.
     */
    public static List<String> faults(WeightFile file) throws IOException {
        List<String> infinite = new ArrayList<>();
        for (String name : file.tensors().keySet()) {
            FiniteValues.firstFault(file, name).ifPresent(infinite::add);
        }
        return withFirst(new ArrayList<>(), infinite);
    }

    private static List<String> withFirst(List<String> faults, List<String> infinite) {
        faults.addAll(infinite.subList(0, Math.min(NAMED, infinite.size())));
        if (infinite.size() > NAMED) {
            faults.add(
                    (infinite.size() - NAMED) + " more tensors with numbers that are not finite");
        }
        return faults;
    }

    /** A tied head is left out of a file; one that stands there nevertheless is the embedding. */
    private static Optional<String> tiedFault(HuggingFaceDirectory model, ModelConfig config)
            throws IOException {
        ModelLayout layout = new ModelLayout(config);
        String head = layout.head().name();
        String embedding = layout.embedding().name();
        boolean both = config.tiesEmbeddings() && model.has(head) && model.has(embedding);
        if (!both || digest(model, head).equals(digest(model, embedding))) {
            return Optional.empty();
        }
        return Optional.of(
                ("`" + head + "` differs from `" + embedding + "`, to which config.json ties it")
                        + " (`tie_word_embeddings`)");
    }

    private static String digest(HuggingFaceDirectory model, String name) throws IOException {
        MessageDigest digest = Sha256.start();
        OutputStream bytes = new DigestOutputStream(OutputStream.nullOutputStream(), digest);
        try (WritableByteChannel channel = Channels.newChannel(bytes)) {
            model.fileOf(name).writeTo(name, channel);
        }
        return model.info(name).dtype() + " " + Sha256.text(digest);
    }
}
