package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that is killed again and again ends with the bytes of one that never was. */
final class KilledRunTest {
    private static final long SEED = 20_261_128;

    /** Kills within the time that a start takes, before any step. */
    private static final int STARTS = 3;

    /** Kills in steps and checkpoints of the three stages. */
    private static final int STEPS = 16;

    /** Kills while the student is written, and while it is exported. */
    private static final int WRITING = 2;

    @TempDir private Path dir;

    private final SplittableRandom random = new SplittableRandom(SEED);
    private final Map<String, Integer> kills = new TreeMap<>();
    private int starts;

    private String config(String name) throws IOException {
        return Files.writeString(
                        dir.resolve(name + ".yaml"),
                        """
                        teacher: DIR/teacher
                        method: lolcats
                        method_overrides: {window: {size: 8}}
                        output: DIR/NAME
                        device: cpu
                        data: {train: [DIR/text.txt], validation: [DIR/text.txt], sequence_length: 32}
                        matrix_orientation: {tokens: 256, sequence_length: 16, batch_size: 1,
                          gradient_accumulation_steps: 2, log_every: 1, save_every: 1}
                        attention_transfer: {tokens: 2560, batch_size: 1,
                          gradient_accumulation_steps: 2, log_every: 3, save_every: 2,
                          validate_every: 5, keep_best: true, scheduler: plateau}
                        lora_finetune: {tokens: 960, batch_size: 1, r: 2, lora_dropout: 0.1,
                          log_every: 2, save_every: 1, save_total_limit: 3}
                        export: {format: hf, dtype: float32}
                        controls: [untrained]
                        eval: {tasks: [perplexity], limit: 2, perplexity: {context: 64, max_tokens: 128}}
                        """
                                .replace("DIR", dir.toString())
                                .replace("NAME", name))
                .toString();
    }

    @Test
    void studentMetricsAndCheckpointsAreThoseOfAnUninterruptedRun() throws Exception {
        TinyTeacher.writeInto(dir);
        Path killed = dir.resolve("killed");
        String config = config("killed");
        long startUp = runWhole();

        for (int i = 0; i < STARTS; i++) {
            kill(config, killed, state -> true, random.nextLong(startUp));
        }
        for (int i = 0; i < STEPS; i++) {
            List<String> before = RunFiles.state(killed);
            kill(config, killed, state -> !state.equals(before), millis(200));
        }
        for (String written : List.of(".student.tmp", ".export.tmp")) {
            for (int i = 0; i < WRITING; i++) {
                kill(config, killed, state -> state.toString().contains(written), millis(6));
            }
        }
        try (TeguProcess last = start(config)) {
            assertEquals(0, last.exitCode(), last.err());
        }

        String seen = "seed " + SEED + ", killed while there was " + kills;
        int all = kills.values().stream().mapToInt(count -> count).sum();
        assertTrue(all >= 20, seen);
        assertTrue(all - kills.getOrDefault("no run", 0) >= 16, seen);
        for (int i = 1; i <= starts; i++) {
            String err = Files.readString(dir.resolve(i + ".err"));
            assertFalse(err.contains("error: "), seen + ", then: " + err);
        }
        Map<String, String> expected = RunFiles.of(dir.resolve("whole"));
        Map<String, String> found = RunFiles.of(killed);
        assertEquals(expected.keySet(), found.keySet(), seen);
        expected.forEach((name, bytes) -> assertEquals(bytes, found.get(name), name + ", " + seen));
    }

    /** Runs without a kill, and measures what a start takes, in nanoseconds. */
    private long runWhole() throws Exception {
        Path metrics = dir.resolve("whole/metrics.jsonl");
        String config = config("whole");
        long began = System.nanoTime();
        try (TeguProcess run = start(config)) {
            while (run.isAlive() && !Files.exists(metrics)) {
                pause();
            }
            long startUp = System.nanoTime() - began;
            assertEquals(0, run.exitCode(), run.err());
            return startUp;
        }
    }

    private TeguProcess start(String config) throws IOException {
        starts++;
        return TeguProcess.start(dir.resolve(starts + ".err"), "run", config, "--resume");
    }

    /**
     * Starts the program and kills it.
     *
     * @param when what its output must show first
     * @param nanos how long it may live on then
     */
    private void kill(String config, Path output, Predicate<List<String>> when, long nanos)
            throws Exception {
        try (TeguProcess run = start(config)) {
            while (run.isAlive() && !when.test(RunFiles.state(output))) {
                pause();
            }
            long seen = System.nanoTime();
            while (run.isAlive() && System.nanoTime() - seen < nanos) {
                pause();
            }
            if (run.isAlive()) {
                run.kill();
                kills.merge(work(RunFiles.state(output)), 1, Integer::sum);
            } else {
                assertEquals(0, run.exitCode(), run.err());
            }
        }
    }

    private long millis(int most) {
        return random.nextLong(TimeUnit.MILLISECONDS.toNanos(most));
    }

    private static void pause() {
        LockSupport.parkNanos(200_000);
    }

    private static String work(List<String> state) {
        String all = state.toString();
        for (String half : List.of(".export.tmp", ".student.tmp", ".step-")) {
            if (all.contains(half)) {
                return half;
            }
        }
        for (String whole : List.of("export", "student", "step-", "config.effective.yaml")) {
            if (all.contains(whole)) {
                return whole;
            }
        }
        return "no run";
    }
}
