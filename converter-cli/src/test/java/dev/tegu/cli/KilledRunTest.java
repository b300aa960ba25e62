package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that is killed again and again ends with the bytes of one that never was. */
final class KilledRunTest {
    private static final int KILLS = 24;
    private static final long SEED = 20_261_128;

    @TempDir private Path dir;

    /** Work in which a process is killed. */
    private enum Moment {
        START_UP,
        STEP,
        SAVING,
        STUDENT
    }

    /** Kills so far by the work that they hit. */
    private final Map<Moment, Integer> kills = new TreeMap<>();

    private Path config(String name, Path output) throws IOException {
        return Files.writeString(
                dir.resolve(name),
                """
                teacher: DIR/teacher
                method: lolcats
                method_overrides: {window: {size: 8}}
                output: OUTPUT
                device: cpu
                data: {train: [DIR/text.txt], validation: [DIR/text.txt], sequence_length: 32}
                attention_transfer: {tokens: 2560, batch_size: 1, gradient_accumulation_steps: 2,
                  log_every: 3, save_every: 2, validate_every: 5, keep_best: true, scheduler: plateau}
                lora_finetune: {tokens: 960, batch_size: 1, r: 2, lora_dropout: 0.1, log_every: 2,
                  save_every: 1, save_total_limit: 3}
                """
                        .replace("DIR", dir.toString())
                        .replace("OUTPUT", output.toString()));
    }

    @Test
    void itsStudentMetricsAndCheckpointsAreThoseOfAnUninterruptedRun() throws Exception {
        TinyTeacher.writeInto(dir);
        Path whole = dir.resolve("whole");
        Path killed = dir.resolve("killed");
        String killedConfig = config("killed.yaml", killed).toString();
        long startUp;
        long began = System.nanoTime();
        try (TeguProcess run =
                TeguProcess.start(
                        dir.resolve("whole.err"),
                        "train",
                        config("whole.yaml", whole).toString())) {
            await(run, whole.resolve("metrics.jsonl"));
            startUp = System.nanoTime() - began;
            assertEquals(0, run.exitCode(), run.err());
        }
        System.out.println(
                "seed "
                        + SEED
                        + ", start-up "
                        + startUp / 1_000_000
                        + " ms, whole "
                        + (System.nanoTime() - began) / 1_000_000);

        SplittableRandom random = new SplittableRandom(SEED);
        int starts = 0;
        boolean isDone = false;
        while (!isDone) {
            starts++;
            Path err = dir.resolve("killed" + starts + ".err");
            try (TeguProcess run = TeguProcess.start(err, "train", killedConfig, "--resume")) {
                long delay;
                if (starts <= 4) {
                    delay = random.nextLong(startUp);
                } else {
                    awaitWork(run, killed, random.nextInt(4));
                    delay = random.nextLong(TimeUnit.MILLISECONDS.toNanos(60));
                }
                if (starts <= KILLS) {
                    pause(run, delay);
                    Moment moment = moment(killed);
                    if (run.isAlive()) {
                        run.kill();
                        kills.merge(starts <= 4 ? Moment.START_UP : moment, 1, Integer::sum);
                        continue;
                    }
                }
                assertEquals(0, run.exitCode(), run.err());
                isDone = true;
            }
        }
        System.out.println(
                kills + " of " + starts + " total ms " + (System.nanoTime() - began) / 1_000_000);

        assertTrue(starts > 20, "only " + starts + " starts, killed in " + kills);
        assertEquals(files(whole), files(killed));
    }

    /** Waits for the first step after a start, and for some files more. */
    private static void awaitWork(TeguProcess run, Path output, int changes) throws IOException {
        String before = state(output);
        for (int i = 0; i <= changes && run.isAlive(); i++) {
            String now = state(output);
            while (run.isAlive() && now.equals(before)) {
                Thread.onSpinWait();
                now = state(output);
            }
            before = now;
        }
    }

    /** What is seen of a run's work from outside. */
    private static String state(Path output) throws IOException {
        Path metrics = output.resolve("metrics.jsonl");
        return (Files.exists(metrics) ? Files.size(metrics) : 0) + names(output).toString();
    }

    private static Moment moment(Path output) throws IOException {
        String names = names(output).toString();
        return names.contains(".student.tmp")
                ? Moment.STUDENT
                : names.contains(".step-") ? Moment.SAVING : Moment.STEP;
    }

    private static java.util.List<String> names(Path output) throws IOException {
        java.util.List<String> names = new java.util.ArrayList<>();
        for (String folder :
                new String[] {"", "checkpoints/attention_transfer", "checkpoints/lora_finetune"}) {
            try (Stream<Path> files = Files.list(output.resolve(folder))) {
                files.forEach(file -> names.add(file.getFileName().toString()));
            } catch (NoSuchFileException e) {
                names.add("no " + folder);
            }
        }
        return names;
    }

    private static void pause(TeguProcess run, long nanos) {
        long start = System.nanoTime();
        while (run.isAlive() && System.nanoTime() - start < nanos) {
            Thread.onSpinWait();
        }
    }

    private static void await(TeguProcess run, Path file) {
        while (run.isAlive() && !Files.exists(file)) {
            Thread.onSpinWait();
        }
    }

    /** Bytes of every file by its name, but for the settings, which hold the output's name. */
    private static Map<String, String> files(Path output) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(output)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                String name = output.relativize(file).toString();
                if (!name.equals("config.effective.yaml")) {
                    byte[] bytes = Files.readAllBytes(file);
                    all.put(
                            name,
                            name.endsWith(".jsonl")
                                    ? Files.readString(file)
                                    : bytes.length + " " + java.util.Arrays.hashCode(bytes));
                }
            }
        }
        return all;
    }
}
