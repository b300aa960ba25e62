package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DirectoryLock;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Differences;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The directory {@code output} of an experiment. From {@link #begin} (or the opening of an earlier
 * run) to {@link #close} no other process can write into it.
 *
 * <pre>
 * .lock                   held by the process that writes
 * config.effective.yaml   every setting, the method written out
 * metrics.jsonl           losses of the stages
 * data/                   the tokens of the data, 4 bytes each; made again where they are missing
 * checkpoints/STAGE/      states from which a killed run goes on
 * student/                the trained student
 * eval/                   results of teacher, student and controls
 * export/                 the model to give away
 * </pre>
 */
public final class RunDirectory implements AutoCloseable {
    private static final String CONFIG = "config.effective.yaml";

    private static final String STUDENT = "student";
    private static final String EXPORT = "export";

    /** What a start that was killed may leave: still no run. */
    private static final Set<String> NOTHING =
            Set.of(DirectoryLock.FILE_NAME, "." + CONFIG + ".partial");

    private final Path root;
    private final String effectiveYaml;
    private Optional<DirectoryLock> lock = Optional.empty();
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
     *     holds a run with other settings, or another process is writing into it
     */
    public static RunDirectory open(Path root, String effectiveYaml, boolean resume)
            throws IOException {
        Path config = root.resolve(CONFIG);
        RunDirectory run = new RunDirectory(root, effectiveYaml);
        if (resume && Durable.exists(config)) {
            refuseDifference(root, Files.readString(config), effectiveYaml);
            run.lock = Optional.of(DirectoryLock.take(root));
            StagedDirectory.removeLeftovers(root, Set.of(STUDENT, EXPORT)::contains);
            return run;
        }
        run.refuseOccupied();
        return run;
    }

    /** Makes the directory with the run's settings, unless it is that of an earlier run. */
    public void begin() throws IOException {
        if (lock.isPresent()) {
            return;
        }
        lock = Optional.of(DirectoryLock.take(root));
        // Another process may have begun meanwhile, and ended.
        refuseOccupied();
        isNew = true;
        Durable.write(root.resolve(CONFIG), effectiveYaml.getBytes(StandardCharsets.UTF_8));
    }

    /** Lets other processes write into it. */
    @Override
    public void close() throws IOException {
        if (lock.isPresent()) {
            lock.get().close();
        }
    }

    private void refuseOccupied() throws IOException {
        if (Durable.exists(root) && !holdsNothing(root)) {
            throw new CheckpointException(
                    root
                            + ": exists and is not empty; name another `output`, remove it, or go on"
                            + " with an interrupted run by --resume");
        }
    }

    /**
     * Takes back {@link #begin}, where the data turned out to be unusable, with what was made of
     * them; the run of an earlier time stays.
     */
    public void withdraw() throws IOException {
        if (!isNew) {
            return;
        }
        Durable.deleteTree(data());
        Files.delete(root.resolve(CONFIG));
        close();
        Files.delete(root.resolve(DirectoryLock.FILE_NAME));
        Files.delete(root);
    }

    private static boolean holdsNothing(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return false;
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.allMatch(entry -> NOTHING.contains(entry.getFileName().toString()));
        }
    }

    private static void refuseDifference(Path root, String before, String now) {
        List<String> differences =
                Differences.of(
                        Differences.flat(ConfigNode.parse(before, root.resolve(CONFIG).toString())),
                        Differences.flat(ConfigNode.parse(now, "effective configuration")));
        if (!differences.isEmpty()) {
            throw new CheckpointException(
                    root
                            + ": holds a run with other settings: "
                            + String.join("; ", differences)
                            + ". Use the old settings, or another `output`.");
        }
    }

    /** The directory itself. */
    public Path root() {
        return root;
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
        return root.resolve(STUDENT);
    }

    /** The model to give away. */
    public Path export() {
        return root.resolve(EXPORT);
    }

    /** Results. */
    public Path eval() {
        return root.resolve("eval");
    }

    /** Whether a model directory is there; it is whole when its manifest is. */
    public static boolean isWritten(Path dir) throws IOException {
        return Durable.exists(dir.resolve(Manifest.FILE_NAME));
    }
}
