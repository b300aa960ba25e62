package dev.tegu.cli.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** A class of this program in a Java process of its own, whose output is read line by line. */
final class ChildProcess {
    private ChildProcess() {}

    /** Takes one line of a child's output. */
    interface Lines {
        void accept(String line) throws IOException;
    }

    /**
     * Runs it to its end; what it says on stderr goes to this process's.
     *
     * @param main class with a main method
     * @param failure message for the code that the process ended with
     * @throws IllegalStateException if that code is not 0
     */
    static void run(Class<?> main, List<String> words, Lines lines, IntFunction<String> failure)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx2g", "-XX:+UseSerialGC", "-cp"));
        command.add(System.getProperty("java.class.path"));
        command.add(main.getName());
        command.addAll(words);
        Process process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (BufferedReader reader =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                lines.accept(line);
            }
            int code = process.waitFor();
            if (code != 0) {
                throw new IllegalStateException(failure.apply(code));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("bench: interrupted", e);
        } finally {
            process.destroy();
        }
    }
}
