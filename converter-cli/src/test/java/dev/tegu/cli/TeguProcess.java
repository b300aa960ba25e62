package dev.tegu.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The program in a process of its own, which can be killed. */
final class TeguProcess implements AutoCloseable {
    private static final long LIMIT_SECONDS = 120;

    private final Process process;
    private final Path err;

    private TeguProcess(Process process, Path err) {
        this.process = process;
        this.err = err;
    }

    /**
     * @param err file that what it says on stderr goes to
     */
    static TeguProcess start(Path err, String... arguments) throws IOException {
        return startWith("OMP_NUM_THREADS", "1", err, arguments);
    }

    /**
     * @param variable one more of the environment
     */
    static TeguProcess startWith(String variable, String value, Path err, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // Started often and never for long.
        command.addAll(
                List.of("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.add(Tegu.class.getName());
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("OMP_NUM_THREADS", "1");
        builder.environment().put(variable, value);
        builder.redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(err.toFile());
        return new TeguProcess(builder.start(), err);
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** SIGKILL: nothing of the process runs any more. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        exitCode();
    }

    /**
     * @param signal its name without {@code SIG}
     */
    void signal(String signal) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid())).start().waitFor();
    }

    /** Waits for the end. */
    int exitCode() throws InterruptedException {
        if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("still running after " + LIMIT_SECONDS + " s");
        }
        return process.exitValue();
    }

    String err() throws IOException {
        return Files.readString(err);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
