package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole experiment on a model of two layers, and what can be done with its results. */
final class RunCommandTest {
    @TempDir private static Path shared;
    private static Path output;
    private static String config;
    private static Invocation run;

    @TempDir private Path dir;

    @BeforeAll
    static void runTheExperiment() throws IOException {
        TinyTeacher.writeInto(shared);
        output = shared.resolve("out");
        config =
                Files.writeString(shared.resolve("a.yaml"), TinyTeacher.experiment(shared))
                        .toString();
        run = Invocation.of("run", config);
    }

    @Test
    void itLeavesWhatIsDocumented() throws IOException {
        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().endsWith(output.resolve("export") + "\n"), run.out());
        assertTrue(
                run.out()
                        .lines()
                        .findFirst()
                        .orElseThrow()
                        .matches("task +metric +teacher +student +untrained +window-sinks@state"),
                run.out());
        try (Stream<Path> files = Files.list(output)) {
            assertEquals(
                    "[.lock, checkpoints, config.effective.yaml, data, eval, export, metrics.jsonl,"
                            + " report.html, student, tensorboard]",
                    files.map(file -> file.getFileName().toString()).sorted().toList().toString());
        }
        try (Stream<Path> files = Files.list(output.resolve("eval"))) {
            assertEquals(
                    "[results.md, samples, student.json, teacher.json, untrained.json,"
                            + " window-sinks@state.json]",
                    files.map(file -> file.getFileName().toString()).sorted().toList().toString());
        }
        try (Stream<Path> files = Files.list(output.resolve("eval/samples/student"))) {
            assertEquals(
                    List.of("samples_perplexity.jsonl", "samples_recall.jsonl"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        String metrics = Files.readString(output.resolve("metrics.jsonl"));
        assertTrue(metrics.contains("attention_transfer"), metrics);
        assertTrue(metrics.contains("lora_finetune"), metrics);
    }

    @Test
    void theRunCanBeWatched() throws IOException {
        String page = Files.readString(output.resolve("report.html"));
        String settings = Files.readString(output.resolve("config.effective.yaml"));
        List<String> metrics = Files.readAllLines(output.resolve("metrics.jsonl"));

        assertTrue(page.contains("<h3>lora_finetune</h3>"), "no section of the last stage");
        assertTrue(page.contains("Relative error, layer by step"), "no layers");
        assertTrue(page.contains("<h2>Results</h2>"), "no evaluation");
        assertTrue(
                Pattern.compile("data-label=\"trained parameters\">[1-9][0-9,]*<")
                        .matcher(page)
                        .find(),
                "no trained parameters");
        assertTrue(settings.contains("  size: 8  # method_overrides (" + config + ":3:"), settings);
        assertTrue(
                metrics.stream()
                        .anyMatch(
                                line ->
                                        line.contains("\"gradient_norm\":")
                                                && line.contains("\"layers.1\":{\"loss\":")),
                metrics.toString());
        for (String stage : List.of("attention_transfer", "lora_finetune")) {
            Path events =
                    output.resolve("tensorboard/" + stage + "/events.out.tfevents.000001.tegu");
            assertTrue(Files.size(events) > 100, stage);
        }
        assertTrue(run.err().contains("attention_transfer: largest relative errors"), run.err());
    }

    @Test
    void thePageIsMadeAgainByItsCommand() throws IOException {
        Path page = dir.resolve("page.html");

        Invocation report = Invocation.of("report", output.toString(), "--output=" + page);
        Invocation again = Invocation.of("report", output.toString(), "--output=" + page);

        assertEquals(0, report.exitCode(), report.err());
        assertEquals(page + "\n", report.out());
        assertEquals(Files.readString(output.resolve("report.html")), Files.readString(page));
        assertEquals(1, again.exitCode());
        assertTrue(again.err().contains("exists already"), again.err());
        Invocation both = Invocation.of("report", output.toString(), output.toString());
        assertEquals(2, both.exitCode(), both.err());
        assertTrue(both.err().contains("say with --output where the page goes"), both.err());
        Path other = dir.resolve("other.html");
        Invocation turned =
                Invocation.of(
                        "report", output.toString(), "--baseline=student", "--output=" + other);
        assertEquals(0, turned.exitCode(), turned.err());
        assertTrue(turned.err().contains(": 4 models, 2 tasks, "), turned.err());
        assertTrue(Files.readString(other).contains("the difference to <b>student</b>"));
    }

    @Test
    void aReportNeedsARun() {
        Invocation report = Invocation.of("report", dir.toString());

        assertEquals(4, report.exitCode(), report.err());
        assertTrue(report.err().contains("nothing to show: no config.eff"), report.err());
    }

    @Test
    void studentAndExportVerify() {
        for (String name : new String[] {"student", "export"}) {
            Invocation verify = Invocation.of("verify", output.resolve(name).toString());

            assertEquals(0, verify.exitCode(), verify.err());
        }
    }

    @Test
    void anEvaluationOfTheExportGivesTheNumbersOfTheRun() throws IOException {
        Invocation eval =
                Invocation.of(
                        "eval",
                        output.resolve("export").toString(),
                        "--tasks=perplexity,recall",
                        "--data=" + shared.resolve("text.txt"),
                        "--limit=2",
                        "--set=perplexity.context=64",
                        "--set=perplexity.max_tokens=128",
                        "--set=recall.records=3",
                        "--device=cpu",
                        "--json");

        assertEquals(0, eval.exitCode(), eval.err());
        JsonMapper json = new JsonMapper();
        JsonNode ofTheRun = json.readTree(output.resolve("eval/student.json").toFile());
        assertEquals(ofTheRun.path("results"), json.readTree(eval.out()).path("results"));
    }

    @Test
    void theExportGenerates() {
        Invocation generate =
                Invocation.of(
                        "generate",
                        output.resolve("export").toString(),
                        "--prompt=The cat",
                        "--max-new-tokens=12",
                        "--greedy",
                        "--device=cpu");

        assertEquals(0, generate.exitCode(), generate.err());
        assertTrue(generate.out().startsWith("The cat"), generate.out());
        assertTrue(generate.err().contains(" bytes of state"), generate.err());
    }

    @Test
    void theAdaptersAloneAreExported() {
        Path adapters = dir.resolve("adapters");

        Invocation export =
                Invocation.of(
                        "export",
                        output.resolve("student").toString(),
                        "--format=peft",
                        "--output=" + adapters);

        assertEquals(0, export.exitCode(), export.err());
        assertEquals(adapters + "\n", export.out());
        assertTrue(Files.exists(adapters.resolve("adapter_model.safetensors")));
        assertEquals(0, Invocation.of("verify", adapters.toString()).exitCode());
    }

    @Test
    void anExportAfterTheRunShowsWhatTheRunMeasured() throws IOException {
        Path base = dir.resolve("base");

        Invocation export =
                Invocation.of(
                        "export",
                        output.resolve("student").toString(),
                        "--format=base",
                        "--dtype=bfloat16",
                        "--output=" + base);

        assertEquals(0, export.exitCode(), export.err());
        String card = Files.readString(base.resolve("README.md"));
        assertTrue(card.contains("| perplexity | token_perplexity | "), card);
        assertTrue(card.contains(" ± "), card);
        assertTrue(card.contains("\nlora_finetune:\n"), card);
        assertTrue(card.contains("It needs its adapters"), card);
        assertTrue(card.contains("--format base --dtype bfloat16\n"), card);
        String own = Files.readString(output.resolve("export/README.md"));
        assertTrue(own.contains("Its adapters are part of the weights."), own);
        assertTrue(Files.exists(output.resolve("export/modeling_tegu.py")));
        assertEquals(0, Invocation.of("verify", base.toString()).exitCode());
        assertEquals(0, Invocation.of("inspect", base.toString()).exitCode());
    }

    @Test
    void theRunsOwnExportHasItsFiguresAndIsThatOfTheCommand() throws IOException {
        String card = Files.readString(output.resolve("export/README.md"));
        String row = "\\| recall \\| acc \\|( \\d\\.\\d{4} ± \\d\\.\\d{4} \\|){4}";
        assertTrue(
                card.contains(
                        "| task | metric | teacher | this model | untrained | window-sinks@state |"),
                card);
        assertTrue(card.lines().anyMatch(line -> line.matches(row)), card);
        assertTrue(card.contains("scripts/tegu run EXPERIMENT\n"), card);
        Map<String, String> facts = Manifest.read(output.resolve("student")).properties();
        assertTrue(
                card.contains("| the teacher's files | " + facts.get("base_model_sha256") + " |"),
                card);
        assertFalse(card.contains(shared.toString()), card);

        Path again = dir.resolve("again");
        Invocation export =
                Invocation.of(
                        "export",
                        output.resolve("student").toString(),
                        "--dtype=float32",
                        "--output=" + again);

        assertEquals(0, export.exitCode(), export.err());
        assertEquals(Manifest.read(output.resolve("export")), Manifest.read(again));
    }

    @Test
    void logitsOfAStudentAreThoseOfItsAdaptersToo() throws IOException {
        Path ids = dir.resolve("ids.safetensors");
        ByteBuffer numbers = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 8; i++) {
            numbers.putLong(3 * i + 2);
        }
        SafetensorsWriter.write(
                ids,
                Map.of(
                        "input_ids",
                        TensorSource.of(DType.I64, List.of(1L, 8L), () -> numbers.flip())));
        Path base = dir.resolve("without");
        Invocation.of(
                "export", output + "/student", "--format=base", "--output=" + base.toString());

        float[] student = logits(output.resolve("student"), ids);

        assertArrayEquals(logits(output.resolve("export"), ids), student, 1e-4f);
        assertFalse(Arrays.equals(logits(base, ids), student));
    }

    private float[] logits(Path model, Path ids) throws IOException {
        Path file = dir.resolve(model.getFileName() + ".safetensors");
        Invocation probe =
                Invocation.of(
                        "probe", "logits", model.toString(), "--ids=" + ids, "--output=" + file);
        assertEquals(0, probe.exitCode(), probe.err());
        try (SafetensorsFile written = SafetensorsFile.open(file)) {
            FloatBuffer buffer =
                    written.map("logits").order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
            float[] values = new float[buffer.remaining()];
            buffer.get(values);
            return values;
        }
    }

    @Test
    void resumingAFinishedRunChangesNothingAndShowsItsResults() throws IOException {
        Map<Path, FileTime> before = times();

        Invocation again = Invocation.of("run", config, "--resume");
        Invocation json = Invocation.of("run", config, "--resume", "--json");

        assertEquals(0, again.exitCode(), again.err());
        assertEquals(before, times());
        assertTrue(again.out().contains("token_perplexity"), again.out());
        assertTrue(again.out().endsWith(output.resolve("export") + "\n"), again.out());
        assertEquals(
                new JsonMapper().readTree(output.resolve("eval/teacher.json").toFile()),
                new JsonMapper().readTree(json.out()).path("teacher"));
    }

    @Test
    void anExportThatWasLostIsMadeAgainFromWhatWasMeasured() throws IOException {
        Manifest before = Manifest.read(output.resolve("export"));
        FileTime measured = Files.getLastModifiedTime(output.resolve("eval/student.json"));
        StagedDirectory.remove(output.resolve("export"));

        Invocation again = Invocation.of("run", config, "--resume");

        assertEquals(0, again.exitCode(), again.err());
        assertEquals(before, Manifest.read(output.resolve("export")));
        assertEquals(measured, Files.getLastModifiedTime(output.resolve("eval/student.json")));
    }

    @Test
    void aRunOfOtherSettingsIsNotGoneOnWith() {
        Invocation other = Invocation.of("run", config, "--resume", "--set=seed=1");

        assertEquals(4, other.exitCode(), other.err());
        assertTrue(other.err().contains("seed: was 0, is 1"), other.err());
    }

    @Test
    void anEvaluationThatCannotBeIsFoundBeforeTheTraining() {
        Path other = dir.resolve("other");

        Invocation refused =
                Invocation.of(
                        "run",
                        config,
                        "--set=output=" + other,
                        "--set=eval.tasks=[recall]",
                        "--set=eval.recall.beyond=[60000]");

        assertEquals(3, refused.exitCode(), refused.err());
        assertTrue(refused.err().contains("eval.recall.beyond: no question's"), refused.err());
        assertTrue(Files.notExists(other.resolve("metrics.jsonl")), refused.err());
        assertTrue(Files.notExists(other.resolve("student")));
    }

    @Test
    void aDryRunPrintsThePlanAndWritesNothing() {
        Path none = dir.resolve("none");

        Invocation plan = Invocation.of("train", config, "--dry-run", "--set=output=" + none);

        assertEquals(0, plan.exitCode(), plan.err());
        assertTrue(plan.out().startsWith("method: 2 of 2 layers linearized"), plan.out());
        assertTrue(Files.notExists(none));
    }

    @Test
    void stage0ComesFirstAndCountsTheTokensItReads() {
        Invocation plan =
                Invocation.of(
                        "train",
                        config,
                        "--dry-run",
                        "--set=output=" + dir.resolve("none"),
                        "--set=matrix_orientation.tokens=512",
                        "--set=matrix_orientation.sequence_length=16",
                        "--set=attention_transfer.layers=[1]");

        assertEquals(0, plan.exitCode(), plan.err());
        List<String> stages =
                plan.out().lines().filter(line -> line.contains("trained parameters")).toList();
        assertEquals(3, stages.size(), plan.out());
        assertTrue(stages.get(0).startsWith("matrix_orientation: "), plan.out());
        assertTrue(stages.get(0).contains(" 8 steps of 64 tokens"), plan.out());
        // one of two layers
        long all = parameters(stages.get(0));
        assertEquals(all / 2, parameters(stages.get(1)), plan.out());
    }

    @Test
    void aDryRunSaysWhatMemoryAndDiskAreMadeOf() throws IOException {
        Invocation plan = Invocation.of("train", config, "--dry-run", "--json");

        assertEquals(0, plan.exitCode(), plan.err());
        JsonNode json = new JsonMapper().readTree(plan.out());
        for (String kind : List.of("memory_bytes", "disk_bytes")) {
            long sum = 0;
            for (JsonNode part : json.path(kind)) {
                sum += part.asLong();
            }
            // the total stands beside its parts
            assertEquals(2 * json.path(kind).path("total").asLong(), sum, plan.out());
        }
        assertEquals(2, json.path("stages").size(), plan.out());
        long tokens =
                json.at("/data/train_tokens").asLong()
                        + json.at("/data/validation_tokens").asLong();
        // a BOS opens each sequence without standing in the files
        double bytesAToken = json.at("/disk_bytes/token_files").asDouble() / tokens;
        assertEquals(4, bytesAToken, 0.2, plan.out());
        long trained = 0;
        for (JsonNode stage : json.path("stages")) {
            trained += stage.path("trained_parameters").asLong();
        }
        // value and two moments; two are kept, one more is there while it is written
        assertEquals(3 * 3 * 4 * trained, json.at("/disk_bytes/checkpoints").asLong());
    }

    private static long parameters(String line) {
        return Long.parseLong(line.split(": ")[1].split(" ")[0].replace(",", ""));
    }

    private static Map<Path, FileTime> times() throws IOException {
        Map<Path, FileTime> times = new TreeMap<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.toList()) {
                times.put(file, Files.getLastModifiedTime(file));
            }
        }
        return times;
    }
}
