package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
    void theDeviceIsTakenFromTheCommandLine() throws IOException {
        Invocation run = validate(EXPERIMENT, "--device=cuda:1");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().contains("\ndevice: \"cuda:1\"  # --set\n"), run.out());
        assertEquals(3, validate(EXPERIMENT, "--device=gpu").exitCode());
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
        assertTrue(run.out().contains("\nseed: 7  # --set\n"), run.out());
        assertTrue(run.out().contains("  format: jsonl  # --set\n"), run.out());
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
    void eachValueSaysWhereItCameFrom() throws IOException {
        String out =
                validate(EXPERIMENT, "--set=data.format=jsonl", "--set=data.evaluation=[d.txt]")
                        .out();

        for (String line :
                List.of(
                        "seed: 0  # " + file() + ":5:7",
                        "  format: jsonl  # --set",
                        "  evaluation: [d.txt]  # --set",
                        "  train: [a.txt, b.txt]  # " + file() + ":7:15",
                        "    kind: hedgehog  # preset lolcats",
                        "    size: 32  # method_overrides (" + file() + ":3:35)",
                        "method_overrides: {}  # laid over the method",
                        "  warmup_ratio: 0.05  # default",
                        "controls: []  # default")) {
            assertTrue(out.contains("\n" + line + "\n"), line + "\n" + out);
        }
    }

    @Test
    void aKindThatIsWrittenAsAWordIsGivenAndTheRestOfItsBlockIsNot() throws IOException {
        String method = "method: {feature_map: t2r, keep_softmax: [0]}";

        String out = validate(EXPERIMENT.replace("method: lolcats", method)).out();

        assertTrue(out.contains("    kind: t2r  # " + file() + ":2:23\n"), out);
        assertTrue(out.contains("    init: identity  # default\n"), out);
        assertTrue(out.contains("  keep_softmax: [0]  # " + file() + ":2:42\n"), out);
    }

    @Test
    void problemsOfAllPlacesComeAtOnceInTheOrderOfTheFile() throws IOException {
        Invocation run =
                validate(
                        EXPERIMENT
                                .replace("{window: {size: 32}}", "{window: {sise: 32}}")
                                .replace("batch_size: 4, learning_rate: 1.0e-2", "batch_size: x")
                                .replace("limit: 50", "limits: 50"),
                        "--set=seed=first",
                        "--set=lora_finetune.rank=4",
                        "--set=eval.tasks=[recal]");

        assertEquals(3, run.exitCode());
        List<String> starts =
                List.of(
                        "--set: seed: expected a whole number, found `first`",
                        "--set: lora_finetune.rank: unknown key; known here: ",
                        "--set: eval.tasks: unknown task `recal` (did you mean `recall`?)",
                        file() + ":3:29: method.window.sise: unknown key (did you mean `size`?)",
                        file() + ":8:51: attention_transfer.batch_size: expected a whole number",
                        file() + ":10:45: eval.limits: unknown key (did you mean `limit`?)");
        List<String> lines = run.err().lines().toList();
        assertEquals(starts.size(), lines.size(), run.err());
        for (int i = 0; i < starts.size(); i++) {
            assertTrue(lines.get(i).startsWith("error: " + starts.get(i)), run.err());
        }
    }

    @Test
    void setReplacesListsMergesBlocksAndTakesBlocksAway() throws IOException {
        String out =
                body(
                        validate(
                                        EXPERIMENT,
                                        "--set=eval.tasks=[recall]",
                                        "--set=attention_transfer={tokens: 7, betas: [0.5, 0.6]}",
                                        "--set=export=null")
                                .out());

        assertTrue(out.contains("  tasks: [recall]\n"), out);
        assertTrue(out.contains("attention_transfer:\n  tokens: 7\n  batch_size: 4\n"), out);
        assertTrue(out.contains("  betas: [0.5, 0.6]\n"), out);
        assertFalse(out.contains("\nexport:"), out);
    }

    @Test
    void aSetThatIsNoKeyOrNoYamlIsNamed() throws IOException {
        Invocation key = validate(EXPERIMENT, "--set=data..format=jsonl");
        Invocation value = validate(EXPERIMENT, "--set=eval.tasks=[recall");

        assertEquals(3, key.exitCode());
        assertTrue(key.err().startsWith("error: --set: `data..format` is no key"), key.err());
        assertEquals(3, value.exitCode());
        assertTrue(value.err().startsWith("error: --set: eval.tasks: the `[`"), value.err());
    }

    @Test
    void aMisspeltSetIsAProblemOfTheConfiguration() throws IOException {
        Invocation run = validate(EXPERIMENT, "--set", "data.frmat=jsonl");

        assertEquals(3, run.exitCode());
        assertTrue(run.err().startsWith("error: --set: data.frmat: "), run.err());
    }

    @Test
    void theMethodIsWrittenOutWithItsOverrides() throws IOException {
        String out = body(validate(EXPERIMENT).out());

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

        assertEquals(body(file), body(block));
        assertTrue(file.contains("  window:\n    size: 9  # " + method + ":1:16\n"), file);
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
    void aSchemaIsPrintedOfEitherKindOfFile() throws IOException {
        Invocation experiment = Invocation.of("validate", "--schema");
        Invocation pretrain = Invocation.of("validate", "--schema", "pretrain");
        Invocation both = validate(EXPERIMENT, "--schema=experiment");

        JsonNode json = new JsonMapper().readTree(experiment.out());
        assertEquals("https://json-schema.org/draft/2020-12/schema", json.path("$schema").asText());
        assertFalse(json.path("additionalProperties").asBoolean(true));
        assertTrue(json.path("properties").has("lora_finetune"), experiment.out());
        assertEquals(experiment.out(), Invocation.of("validate", "--schema").out());
        assertTrue(
                new JsonMapper().readTree(pretrain.out()).path("properties").has("vocab_size"),
                pretrain.out());
        assertEquals(2, both.exitCode());
        assertTrue(both.err().contains("CONFIG and --schema exclude each other"), both.err());
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

    /** The experiment, without the comments. */
    private static String body(String out) {
        return out.substring(out.indexOf('\n') + 1).replaceAll(" {2}# .*", "");
    }
}
