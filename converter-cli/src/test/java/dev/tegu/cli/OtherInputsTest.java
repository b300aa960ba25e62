package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.Manifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run is gone on with under what it was begun with, and under nothing else. */
final class OtherInputsTest {
    @TempDir private Path dir;
    private Path output;
    private String config;

    @BeforeEach
    void trainBothStages() throws IOException {
        TinyTeacher.writeInto(dir);
        output = dir.resolve("out");
        config =
                Files.writeString(
                                dir.resolve("a.yaml"),
                                TinyTeacher.experiment(dir).replaceAll("(?ms)^eval:.*", ""))
                        .toString();
        assertEquals(0, Invocation.of("train", config).exitCode());
    }

    /** As if the run had been killed before its student was written. */
    private void removeTheStudent() throws IOException {
        remove(output.resolve("student"));
    }

    private static void remove(Path tree) throws IOException {
        try (Stream<Path> files = Files.walk(tree)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private String refusal(String... more) {
        String[] arguments =
                Stream.concat(Stream.of("train", config, "--resume"), Stream.of(more))
                        .toArray(String[]::new);
        Invocation run = Invocation.of(arguments);
        assertEquals(4, run.exitCode(), run.err());
        return run.err();
    }

    @Test
    void everySettingThatDiffersIsShownWhateverItsComments() throws IOException {
        Path settings = output.resolve("config.effective.yaml");
        Files.writeString(
                settings,
                "# where each value came from\n"
                        + Files.readString(settings).replaceAll("(?m)$", "  # a.yaml"));

        assertEquals(0, Invocation.of("train", config, "--resume").exitCode());
        String err = refusal("--set=seed=1", "--set=attention_transfer.learning_rate=0.5");

        assertTrue(err.contains("seed: was 0, is 1; "), err);
        assertTrue(err.contains("attention_transfer.learning_rate: was 0.01, is 0.5"), err);
    }

    @Test
    void anotherBaseModelIsRefusedBetweenStagesAndAfterThem() throws IOException {
        Path tokenizer = dir.resolve("teacher/tokenizer.json");
        Files.writeString(tokenizer, "\n", StandardOpenOption.APPEND);

        String finished = refusal();
        removeTheStudent();
        String unfinished = refusal();

        assertTrue(finished.contains("student: was made from something else"), finished);
        assertTrue(unfinished.contains("step-4: belongs to a run with other"), unfinished);
        for (String err : new String[] {finished, unfinished}) {
            assertTrue(err.matches("(?s).*base_model_sha256: was [0-9a-f]{64}, is .*"), err);
        }
    }

    @Test
    void otherDataOfTheSameNameAndSizeAreRefused() throws IOException {
        Path text = dir.resolve("text.txt");
        Files.writeString(text, Files.readString(text).replace("cat", "cow"));
        removeTheStudent();

        String err = refusal();

        assertTrue(err.matches("(?s).*data.train_sha256: was [0-9a-f]{64}, is .*"), err);
        assertTrue(err.contains("data.validation_sha256: was "), err);
    }

    @Test
    void theStudentsManifestSaysWhatItWasMadeFrom() throws IOException {
        String facts = Manifest.read(output.resolve("student")).properties().toString();

        assertTrue(
                facts.matches(
                        ".*base_model_sha256=[0-9a-f]{64}, data.train_sha256=[0-9a-f]{64}, .*"),
                facts);
    }

    @Test
    void aDamagedNewestCheckpointIsNamedAndCanBeRemoved() throws IOException {
        removeTheStudent();
        Path last = output.resolve("checkpoints/attention_transfer/step-4");
        Files.write(last.resolve("state.safetensors"), new byte[9]);

        String err = refusal();

        assertTrue(err.contains(last + ": state.safetensors has 9 bytes, expected"), err);
        assertTrue(
                err.contains("Remove that folder, and with --resume the stage begins anew"), err);
        remove(last);
        assertEquals(0, Invocation.of("train", config, "--resume").exitCode());
    }
}
