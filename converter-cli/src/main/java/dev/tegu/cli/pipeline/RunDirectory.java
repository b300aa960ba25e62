package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.Manifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * The directory {@code output} of an experiment.
 *
 * <pre>
 * config.effective.yaml   every setting, the method written out
 * metrics.jsonl           losses of the stages
 * data/                   the tokens of the data, 4 bytes each; made again where they are missing
 * checkpoints/STAGE/      states from which a killed run goes on
 * student/                the trained student
 * eval/                   results of teacher, student and controls
 * export/                 the model to give away
 * </pre>
 */
public final class RunDirectory {
    private static final String CONFIG = "config.effective.yaml";

    private final Path root;
    private final String effectiveYaml;
    private boolean isNew;

    private RunDirectory(Path root, String effectiveYaml) {
        this.root = root;
        this.effectiveYaml = effectiveYaml;
    }

    /**
     * Finds the place of a new run, or that of a run to go on with; writes nothing, so that a run
     * whose inputs are refused leaves nothing.
     *
     * @param effectiveYaml all settings of the run
     * @param resume whether an earlier run may be gone on with; it must have the same settings
     * @throws CheckpointException if the directory holds something and {@code resume} is false, or
     *     holds a run with other settings
     */
    public static RunDirectory open(Path root, String effectiveYaml, boolean resume)
            throws IOException {
        Path config = root.resolve(CONFIG);
        if (resume && Files.exists(config)) {
            refuseDifference(root, Files.readString(config), effectiveYaml);
            return new RunDirectory(root, effectiveYaml);
        }
        if (Files.exists(root) && !isEmptyDirectory(root)) {
            throw new CheckpointException(
                    root
                            + ": exists and is not empty; name another `output`, remove it, or go on"
                            + " with an interrupted run by --resume");
        }
        return new RunDirectory(root, effectiveYaml);
    }

    /** Makes the directory with the run's settings, unless it is that of an earlier run. */
    public void begin() throws IOException {
        Path config = root.resolve(CONFIG);
        if (Files.exists(config)) {
            return;
        }
        isNew = true;
        Files.createDirectories(root);
        Path partial = root.resolve("." + CONFIG + ".partial");
        Files.writeString(partial, effectiveYaml);
        Files.move(partial, config, StandardCopyOption.ATOMIC_MOVE);
    }

    /**
     * Takes back {@link #begin}, where the data turned out to be unusable, with what was made of
     * them; the run of an earlier time stays.
     */
    public void withdraw() throws IOException {
        if (!isNew) {
            return;
        }
        if (Files.isDirectory(data())) {
            try (Stream<Path> files = Files.list(data())) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(data());
        }
        Files.delete(root.resolve(CONFIG));
        Files.delete(root);
    }

    private static boolean isEmptyDirectory(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return false;
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.findAny().isEmpty();
        }
    }

    private static void refuseDifference(Path root, String before, String now) {
        List<String> old = before.lines().toList();
        List<String> current = now.lines().toList();
        for (int i = 0; i < Math.max(old.size(), current.size()); i++) {
            String there = i < old.size() ? old.get(i).strip() : "nothing";
            String here = i < current.size() ? current.get(i).strip() : "nothing";
            if (!there.equals(here)) {
                throw new CheckpointException(
                        root
                                + ": holds a run with other settings: `"
                                + there
                                + "` there, `"
                                + here
                                + "` here; use the old settings, or another `output`");
            }
        }
    }

    /** The tokens of the data. */
    public Path data() {
        return root.resolve("data");
    }

    /** Losses of the stages. */
    public Path metrics() {
        return root.resolve("metrics.jsonl");
    }

    /** States of one stage. */
    public Path checkpoints(String stage) {
        return root.resolve("checkpoints").resolve(stage);
    }

    /** The trained student. */
    public Path student() {
        return root.resolve("student");
    }

    /** The model to give away. */
    public Path export() {
        return root.resolve("export");
    }

    /** Results. */
    public Path eval() {
        return root.resolve("eval");
    }

    /** Whether a model directory is there; it is whole when its manifest is. */
    public static boolean isWritten(Path dir) {
        return Files.exists(dir.resolve(Manifest.FILE_NAME));
    }
}
