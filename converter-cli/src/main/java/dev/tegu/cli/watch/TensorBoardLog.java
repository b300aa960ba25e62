package dev.tegu.cli.watch;

import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * The directory {@code tensorboard/}: a stage's scalars, under a directory of its own, because a
 * resumed stage takes back all later steps of its directory.
 *
 * <p>Tags: {@code STAGE/loss}, {@code learning_rate}, {@code gradient_norm}, {@code
 * tokens_per_second}, {@code validation_loss}, and of each part of a loss {@code
 * STAGE/PART/relative}, or {@code STAGE/PART/loss} where it has no relative error. The rate is that
 * since the last report, measurements and checkpoints included.
 */
final class TensorBoardLog implements TrainingListener, AutoCloseable {
    private final Path dir;
    private final LongSupplier nanoTime;
    private Stage current;
    private EventFile file;
    private long lastTime;
    private long lastTokens;

    /**
     * @param dir made by the first stage
     * @param nanoTime a clock that only goes forward, nanoseconds
     */
    TensorBoardLog(Path dir, LongSupplier nanoTime) {
        this.dir = dir;
        this.nanoTime = nanoTime;
    }

    @Override
    public void stageStarted(Stage stage) {
        close();
        lastTime = nanoTime.getAsLong();
        lastTokens = stage.doneSteps() * stage.tokensPerStep();
        current = stage;
    }

    @Override
    public void stepFinished(Step step) {
        long now = nanoTime.getAsLong();
        double seconds = Math.max(1, now - lastTime) * 1e-9;
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", step.losses().total());
        values.put("learning_rate", step.learningRate());
        values.put("gradient_norm", step.gradientNorm());
        values.put("tokens_per_second", (step.tokens() - lastTokens) / seconds);
        for (Losses.Part part : step.losses().parts()) {
            boolean isRelative = !Double.isNaN(part.relative());
            values.put(
                    part.name() + (isRelative ? "/relative" : "/loss"),
                    isRelative ? part.relative() : part.loss());
        }
        lastTime = now;
        lastTokens = step.tokens();
        write(step.stage(), step.step(), values);
    }

    @Override
    public void validated(Validation validation) {
        write(
                validation.stage(),
                validation.step(),
                Map.of("validation_loss", validation.losses().total()));
    }

    private void write(String stage, long step, Map<String, Double> values) {
        Map<String, Double> tagged = new LinkedHashMap<>();
        values.forEach((name, value) -> tagged.put(stage + "/" + name, value));
        try {
            if (file == null) {
                // Not before there is something to tell: a stage that is done leaves no more files.
                file =
                        EventFile.begin(
                                dir.resolve(stage),
                                current.doneSteps() + 1,
                                () -> System.currentTimeMillis() * 1e-3);
            }
            file.scalars(step, tagged);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    @Override
    public void close() {
        if (file != null) {
            try {
                file.close();
            } catch (IOException e) {
                throw failed(e);
            }
            file = null;
        }
    }

    private UncheckedIOException failed(IOException e) {
        return new UncheckedIOException(dir + ": cannot be written: " + e.getMessage(), e);
    }
}
