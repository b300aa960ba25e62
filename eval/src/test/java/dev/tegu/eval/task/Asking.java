package dev.tegu.eval.task;

import dev.tegu.eval.task.QuestionSettings.AddBos;
import dev.tegu.eval.task.QuestionSettings.Overlong;
import dev.tegu.eval.task.QuestionSettings.Scoring;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What the tests of tasks share. */
final class Asking {
    private Asking() {}

    static QuestionSettings shots(int count) {
        return new QuestionSettings(
                Optional.empty(),
                Optional.of(count),
                AddBos.AUTO,
                Scoring.LIKELIHOOD,
                1,
                Overlong.TRUNCATE);
    }

    static QuestionSettings rotated(Scoring scoring, int permutations) {
        return new QuestionSettings(
                Optional.empty(),
                Optional.empty(),
                AddBos.AUTO,
                scoring,
                permutations,
                Overlong.TRUNCATE);
    }

    static Path write(Path folder, String name, String text) {
        Path file = folder.resolve(name);
        try {
            Files.createDirectories(file.getParent());
            return Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is asked of the first subject of a task that comes with the program. */
    static List<TaskQuestion> ask(String task, Path folder, QuestionSettings how) {
        TaskSpec spec = TaskLibrary.spec(task);
        List<String> subjects = task.equals("mmlu") ? List.of("anatomy") : List.of();
        TaskFiles files = new TaskFiles(spec, subjects, List.of(folder));
        TaskData data = TaskData.read(spec, files, TaskQuestions.shots(spec, how) > 0);
        return new TaskQuestions(spec, how, data.members().get(0)).ask(0, Integer.MAX_VALUE);
    }
}
