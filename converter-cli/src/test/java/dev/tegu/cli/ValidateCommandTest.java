package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ValidateCommandTest {
    /** The experiment of the documented contract. */
    private static final String EXPERIMENT =
            """
            teacher: path/to/huggingface/directory
            method: lolcats
            method_overrides: {window: {size: 32}}
            output: runs/my-experiment
            seed: 0
            device: auto
            data: {train: [a.txt, b.txt], validation: [c.txt], format: text, sequence_length: 512}
            attention_transfer: {tokens: 500_000, batch_size: 4, learning_rate: 1.0e-2}
            lora_finetune: {tokens: 500_000, batch_size: 4, learning_rate: 1.0e-4, r: 8, lora_alpha: 16, target_modules: [q_proj, k_proj, v_proj, o_proj]}
            eval: {tasks: [perplexity, needle, recall], limit: 50}
            export: {format: hf, dtype: float32}
            """;

    @TempDir Path dir;

    @Test
    void theDocumentedExperimentIsOk() throws IOException {
        Invocation run = validate(EXPERIMENT);

        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        assertTrue(run.out().startsWith("# " + file() + ": ok\nteacher: "), run.out());
    }

    @Test
    void theEffectiveExperimentValidatesToItself() throws IOException {
        String effective = body(validate(EXPERIMENT).out());

        Invocation again = validate(effective);

        assertEquals("", again.err());
        assertEquals(effective, body(again.out()));
        assertTrue(effective.contains("  warmup_ratio: "), effective);
    }

    @Test
    void everyProblemIsPrinted() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT
                                .replace("seed: 0", "sede: 0")
                                .replace("sequence_length: 512", "sequence_length: long")
                                .replace(
                                        "tokens: 500_000, batch_size: 4, learning_rate: 1.0e-2",
                                        "tokens: 500_000, batch_size: 0"));

        assertEquals(3, run.exitCode());
        assertEquals("", run.out());
        assertEquals(3, run.err().lines().count(), run.err());
        assertTrue(run.err().startsWith("error: " + file() + ":5:1: sede: "), run.err());
        assertTrue(run.err().contains("(did you mean `seed`?)"), run.err());
        assertTrue(run.err().contains("data.sequence_length: "), run.err());
        assertTrue(run.err().contains("attention_transfer.batch_size: "), run.err());
    }

    @Test
    void setLaysValuesOverTheFile() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT,
                        "--set",
                        "seed=7",
                        "--set",
                        "data.format=jsonl",
                        "--set",
                        "eval.tasks=[recall]");

        assertEquals("", run.err());
        assertTrue(run.out().contains("\nseed: 7\n"), run.out());
        assertTrue(run.out().contains("  format: jsonl\n"), run.out());
    }

    @Test
    void measuringEveryFewStepsAsksForValidationData() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT.replace("validation: [c.txt], ", "evaluation: [c.txt], "),
                        "--set",
                        "lora_finetune.validate_every=10");

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains("lora_finetune.validate_every: there is nothing"), run.err());
    }

    @Test
    void stage0ReadsNoMoreThanASequenceHas() throws IOException {
        String more = "matrix_orientation.sequence_length=1024";
        Invocation right = validate(EXPERIMENT, "--set", "matrix_orientation.tokens=1000");
        Invocation wrong =
                validate(EXPERIMENT, "--set", "matrix_orientation.tokens=1000", "--set", more);

        assertEquals(0, right.exitCode(), right.err());
        assertTrue(right.out().contains("matrix_orientation:\n"), right.out());
        assertEquals(3, wrong.exitCode());
        assertTrue(
                wrong.err().contains("matrix_orientation.sequence_length: expected at most 512"),
                wrong.err());
    }

    @Test
    void aMisspeltSetIsAProblemOfTheConfiguration() throws IOException {
        Invocation run = validate(EXPERIMENT, "--set", "data.frmat=jsonl");

        assertEquals(3, run.exitCode());
        assertTrue(run.err().startsWith("error: --set: data.frmat: "), run.err());
    }

    @Test
    void theMethodIsWrittenOutWithItsOverrides() throws IOException {
        String out = validate(EXPERIMENT).out();

        assertTrue(out.contains("method:\n  feature_map:\n    kind: hedgehog\n"), out);
        assertTrue(out.contains("  window:\n    size: 32\n"), out);
    }

    @Test
    void aMethodMayBeAFileOrABlock() throws IOException {
        Path method = Files.writeString(dir.resolve("own.yaml"), "window: {size: 9}\n");
        String fromPreset = "method: lolcats\nmethod_overrides: {window: {size: 32}}";

        String file = validate(EXPERIMENT.replace(fromPreset, "method: " + method)).out();
        String block =
                validate(EXPERIMENT.replace(fromPreset, "method: {window: {size: 9}}")).out();

        assertEquals(file, block);
        assertTrue(file.contains("  window:\n    size: 9\n"), file);
    }

    @Test
    void anUnknownPresetIsNamedWithTheNearest() throws IOException {
        Invocation run = validate(EXPERIMENT.replace("method: lolcats", "method: lolcat"));

        assertEquals(3, run.exitCode());
        assertTrue(
                run.err().contains(":2:9: method: no preset `lolcat` (did you mean `lolcats`?)"),
                run.err());
    }

    @Test
    void aWindowOfZeroWithoutLinearBranchIsRefused() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT
                                .replace("method: lolcats", "method: window-only")
                                .replace("size: 32", "size: 0"));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains(":3:"), run.err());
        assertTrue(run.err().contains("method.window.size: 0 leaves nothing"), run.err());
    }

    @Test
    void aStageNeedsData() throws IOException {
        Invocation run = validate(EXPERIMENT.replaceAll("data:.*\n|eval:.*\n", ""));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains(": attention_transfer: "), run.err());
        Invocation first =
                validate(
                        EXPERIMENT.replaceAll("data:.*\n|eval:.*\n|attention_transfer:.*\n", "")
                                + "matrix_orientation: {tokens: 1}\n");
        assertEquals(3, first.exitCode());
        assertTrue(first.err().contains(": matrix_orientation: "), first.err());
    }

    @Test
    void perplexityNeedsValidationText() throws IOException {
        Invocation run = validate(EXPERIMENT.replace("validation: [c.txt], ", ""));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains(": eval.tasks: `perplexity`"), run.err());
    }

    @Test
    void aDeviceIsOneOfTheKnown() throws IOException {
        Invocation run = validate(EXPERIMENT.replace("device: auto", "device: gpu"));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains(":6:1: device: "), run.err());
    }

    @Test
    void aMissingFileIsAProblemOfTheConfiguration() {
        Invocation run = Invocation.of("validate", dir.resolve("none.yaml").toString());

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains("none.yaml: no such file"), run.err());
    }

    @Test
    void aValidationSplitIsSomethingToValidateOn() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT.replace(
                                "validation: [c.txt], ",
                                "evaluation: [c.txt], validation_split: 0.1, "),
                        "--set",
                        "lora_finetune.validate_every=10");

        assertEquals(0, run.exitCode(), run.err());
    }

    @Test
    void aValidationSplitBesideFilesToValidateOnIsRefused() throws IOException {
        Invocation run = validate(EXPERIMENT, "--set", "data.validation_split=0.1");

        assertEquals(3, run.exitCode());
        assertTrue(
                run.err().contains("data.validation_split: the files in `validation` are measured"),
                run.err());
    }

    private Invocation validate(String yaml, String... options) throws IOException {
        Files.writeString(file(), yaml);
        String[] arguments = new String[2 + options.length];
        arguments[0] = "validate";
        arguments[1] = file().toString();
        System.arraycopy(options, 0, arguments, 2, options.length);
        return Invocation.of(arguments);
    }

    private Path file() {
        return dir.resolve("experiment.yaml");
    }

    private static String body(String out) {
        return out.substring(out.indexOf('\n') + 1);
    }
}
