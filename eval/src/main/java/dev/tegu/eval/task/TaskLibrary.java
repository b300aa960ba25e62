package dev.tegu.eval.task;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The task files that come with the program, and those of users. */
public final class TaskLibrary {
    /** Names of the tasks that come with the program, in the order of a list for people. */
    public static final List<String> NAMES =
            List.of(
                    "mmlu",
                    "quiz",
                    "arc_easy",
                    "arc_challenge",
                    "piqa",
                    "hellaswag",
                    "winogrande",
                    "boolq",
                    "openbookqa",
                    "lambada_openai",
                    "fda",
                    "swde",
                    "squad_completion");

    private TaskLibrary() {}

    /** Whether a name is the path of a task file. */
    public static boolean isFile(String name) {
        return name.endsWith(".yaml") || name.endsWith(".yml");
    }

    /**
     * The task of that name: one of {@link #NAMES}, a group's member such as {@code mmlu_anatomy},
     * or the path of a task file. Empty if there is none.
     *
     * @throws dev.tegu.config.ConfigException if a file cannot be read or is no task
     */
    public static Optional<QuestionTask> named(String name) {
        if (isFile(name)) {
            Path file = Path.of(name).toAbsolutePath();
            TaskSpec spec = ConfigBinder.bind(ConfigNode.read(Path.of(name)), TaskSpec.class);
            return Optional.of(new QuestionTask(spec, Optional.ofNullable(file.getParent())));
        }
        if (NAMES.contains(name)) {
            return Optional.of(new QuestionTask(spec(name), Optional.empty()));
        }
        for (String group : NAMES) {
            if (name.startsWith(group + "_")) {
                TaskSpec spec = spec(group);
                Optional<String> subject = spec.subjectOf(name);
                if (subject.isPresent()) {
                    return Optional.of(new QuestionTask(spec, Optional.empty(), subject));
                }
            }
        }
        return Optional.empty();
    }

    /** A task that comes with the program. */
    static TaskSpec spec(String name) {
        String file = "/dev/tegu/eval/tasks/" + name + ".yaml";
        try (InputStream in = TaskLibrary.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException("the program lacks its file " + file);
            }
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return ConfigBinder.bind(ConfigNode.parse(text, name + ".yaml"), TaskSpec.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
