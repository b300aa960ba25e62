package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Inputs that are refused: one line, the right exit code, and not a file more than before. */
final class WrongInputTest {
    @TempDir Path dir;
    private Path teacher;
    private Path config;

    @BeforeEach
    void writeAnExperiment() throws IOException {
        teacher = TinyTeacher.writeInto(dir);
        config = Files.writeString(dir.resolve("a.yaml"), TinyTeacher.experiment(dir));
    }

    @Test
    void aMissingTeacher() throws IOException {
        replaceInConfig("teacher: " + teacher, "teacher: " + dir.resolve("techer"));

        refused(4, dir.resolve("techer") + ": ", run());
        refused(4, dir.resolve("techer") + ": ", convert(dir.resolve("techer"), "lolcats"));
    }

    @Test
    void aGitLfsPointerInPlaceOfTheWeights() throws IOException {
        Files.writeString(
                teacher.resolve("model.safetensors"),
                """
                version https://git-lfs.github.com/spec/v1
                oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
                size 12345
                """);

        refused(4, "git lfs pull", run());
        refused(4, "git lfs pull", convert(teacher, "lolcats"));
    }

    @Test
    void aTruncatedShard() throws IOException {
        Path weights = teacher.resolve("model.safetensors");
        try (FileChannel file = FileChannel.open(weights, StandardOpenOption.WRITE)) {
            file.truncate(file.size() - 100);
        }

        refused(4, "model.safetensors: tensor `", run());
        refused(4, "model.safetensors: tensor `", convert(teacher, "lolcats"));
    }

    @Test
    void anUnknownArchitecture() throws IOException {
        Path file = teacher.resolve("config.json");
        Files.writeString(file, Files.readString(file).replace("\"llama\"", "\"lama\""));

        refused(4, "`lama`", run());
        refused(4, "`lama`", convert(teacher, "lolcats"));
    }

    @Test
    void aMisspeltConfigKeyIsToldWithItsPlaceAndTheNearestName() throws IOException {
        replaceInConfig("attention_transfer:", "atention_transfer:");

        Invocation run = run();

        refused(3, config + ":7:1: atention_transfer: unknown key", run);
        refused(3, "did you mean `attention_transfer`?", run);
    }

    @Test
    void aWindowOfZeroWithNoLinearBranch() throws IOException {
        replaceInConfig("{window: {size: 8}}", "{window: {size: 0}, linear_scope: none}");

        refused(3, "linear_scope", run());
        refused(
                3,
                "linear_scope",
                convert(teacher, "lolcats", "--set=window.size=0", "--set=linear_scope=none"));
    }

    @Test
    void anOutputDirectoryThatIsNotEmpty() throws IOException {
        Path own = Files.createDirectory(dir.resolve("out")).resolve("own.txt");
        Files.writeString(own, "mine");

        refused(4, dir.resolve("out") + ": exists and is not empty", run());
        refused(4, dir.resolve("out") + ": is not empty", convert(teacher, "lolcats"));
        assertEquals("mine", Files.readString(own));
    }

    @Test
    void aTextThatIsMissingIsFoundBeforeTraining() throws IOException {
        replaceInConfig("validation: [", "evaluation: [" + dir.resolve("none.txt") + ", ");

        refused(4, dir.resolve("none.txt").toString(), run());
    }

    @Test
    void aFaultInTheDataIsNamedWithItsLine() throws IOException {
        Path data =
                Files.writeString(
                        dir.resolve("a.jsonl"), "{\"text\": \"whole\"}\n{\"text\": \"cut");
        replaceInConfig(
                "data: {train: [" + dir + "/text.txt], validation: [" + dir + "/text.txt]",
                "data: {train: [" + data + "], format: jsonl");
        replaceInConfig("tasks: [perplexity, recall]", "tasks: [recall]");

        refused(4, data + ":2: ends in the middle of a value", run());
    }

    @Test
    void conversationsForAModelWithoutATemplate() throws IOException {
        Path data =
                Files.writeString(
                        dir.resolve("a.jsonl"),
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n");
        replaceInConfig(
                "data: {train: [" + dir + "/text.txt], validation: [" + dir + "/text.txt]",
                "data: {train: [" + data + "], format: chat");
        replaceInConfig("tasks: [perplexity, recall]", "tasks: [recall]");

        refused(4, teacher + ": no chat template", run());
    }

    @Test
    void adaptersCannotBeExportedWithoutTheStageThatMakesThem() throws IOException {
        replaceInConfig("lora_finetune:", "# lora_finetune:");
        replaceInConfig("format: hf", "format: peft");

        refused(3, "export.format: `peft` exports adapters", run());

        replaceInConfig("format: peft", "format: base");

        refused(3, "export.format: `base` leaves out the adapters", run());
    }

    @Test
    void aLayerThatTheTeacherDoesNotHave() throws IOException {
        replaceInConfig("attention_transfer: {", "attention_transfer: {layers: [2], ");

        refused(3, "attention_transfer.layers: no layer 2: the model has 2", run());
    }

    @Test
    void droppingAWindowThatIsNotThere() throws IOException {
        replaceInConfig("method: lolcats", "method: hedgehog");
        replaceInConfig("method_overrides: {window: {size: 8}}", "method_overrides: {}");
        replaceInConfig("attention_transfer: {", "attention_transfer: {window_dropout: [0.5], ");

        refused(3, "attention_transfer.window_dropout: the method has no window to drop", run());
    }

    private void replaceInConfig(String old, String now) throws IOException {
        String yaml = Files.readString(config);
        assertTrue(yaml.contains(old), old);
        Files.writeString(config, yaml.replace(old, now));
    }

    private Invocation run() throws IOException {
        return leavingNothing("run", config.toString());
    }

    private Invocation convert(Path from, String method, String... more) throws IOException {
        String[] arguments = {
            "convert", "--teacher=" + from, "--method=" + method, "--output=" + dir.resolve("out")
        };
        return leavingNothing(
                Stream.concat(Stream.of(arguments), Stream.of(more)).toArray(String[]::new));
    }

    private Invocation leavingNothing(String... arguments) throws IOException {
        Set<Path> before = files();

        Invocation run = Invocation.of(arguments);

        assertEquals(before, files());
        return run;
    }

    private Set<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(dir)) {
            return files.collect(Collectors.toSet());
        }
    }

    private static void refused(int exitCode, String content, Invocation run) {
        assertEquals(exitCode, run.exitCode(), run.err());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().startsWith("error: "), run.err());
        assertTrue(run.err().contains(content), run.err());
    }
}
