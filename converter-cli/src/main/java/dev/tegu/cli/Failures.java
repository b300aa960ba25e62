package dev.tegu.cli;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Problem;
import dev.tegu.distill.StoppedException;
import dev.tegu.engine.MemoryShortage;
import dev.tegu.engine.OutOfDeviceMemoryException;
import dev.tegu.records.DataException;
import java.io.FileNotFoundException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/**
 * The one place where an exception becomes lines on stderr and an exit code. A stack trace follows
 * only when {@code --debug} was given.
 */
final class Failures {
    /** The text of ENOSPC, for which Java has no exception of its own. */
    private static final String DISK_FULL = "No space left on device";

    /** What a user is told. */
    record Report(List<String> lines, int exitCode) {}

    private Failures() {}

    /** Lines without {@code error:} and the exit code for what a command threw. */
    static Report of(Throwable thrown) {
        Throwable e = thrown instanceof UncheckedIOException ? thrown.getCause() : thrown;
        if (e instanceof ConfigException config) {
            return new Report(
                    config.problems().stream().map(Problem::toString).toList(), ExitCode.CONFIG);
        }
        if (e instanceof InvalidValueException value) {
            return one(value.key() + ": " + value.getMessage(), ExitCode.CONFIG);
        }
        if (e instanceof InputException
                || e instanceof CheckpointException
                || e instanceof DataException) {
            return one(e.getMessage(), ExitCode.INPUT);
        }
        if (e instanceof StoppedException) {
            return one(e.getMessage(), ExitCode.INTERRUPTED);
        }
        if (e instanceof VerificationException) {
            return one(e.getMessage(), ExitCode.VERIFICATION);
        }
        if (e instanceof FileSystemException file) {
            return ofFile(file);
        }
        if (e instanceof FileNotFoundException) {
            return one(e.getMessage(), ExitCode.INPUT);
        }
        if (e instanceof OutOfMemoryError) {
            return one(
                    "out of memory ("
                            + e.getMessage()
                            + "); give the JVM more with TEGU_JAVA_OPTS=-Xmx8g, or lower"
                            + " `batch_size` or `sequence_length`",
                    ExitCode.FAILED);
        }
        Optional<MemoryShortage> shortage =
                e instanceof OutOfDeviceMemoryException ? Optional.empty() : MemoryShortage.in(e);
        if (shortage.isPresent()) {
            return one(
                    shortage.get().describe()
                            + "; fewer or shorter texts at once need less, and weights in bfloat16"
                            + " (`--dtype bfloat16`) half of float32's",
                    ExitCode.FAILED);
        }
        return one(described(e), ExitCode.FAILED);
    }

    /** Prints what {@code thrown} means. */
    static int print(Throwable thrown, boolean debug, PrintWriter err) {
        Report report = of(thrown);
        // Whoever has asked for the end is not told of an error.
        String prefix = thrown instanceof StoppedException ? "" : "error: ";
        report.lines().forEach(line -> err.println(prefix + line));
        if (debug) {
            thrown.printStackTrace(err);
        }
        err.flush();
        return report.exitCode();
    }

    /** For picocli: what a command threw. */
    static int onExecution(Exception e, CommandLine command, ParseResult parsed) {
        String name = command.getCommandName();
        Exception told =
                MemoryShortage.in(e).isEmpty() || e instanceof OutOfDeviceMemoryException
                        ? e
                        : new OutOfDeviceMemoryException(name + ": " + of(e).lines().get(0), e);
        return print(told, asksForTraces(parsed), command.getErr());
    }

    /** For picocli: arguments that do not parse. */
    static int onArguments(CommandLine.ParameterException e, String[] arguments) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        // Messages on groups of options begin with a word that stands here already.
        err.println("error: " + e.getMessage().replaceFirst("^Error: ", ""));
        CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
        err.println("Try `" + command.getCommandSpec().qualifiedName() + " --help`.");
        err.flush();
        return ExitCode.USAGE;
    }

    private static boolean asksForTraces(ParseResult parsed) {
        return parsed.asCommandLineList().stream()
                .anyMatch(command -> command.getParseResult().hasMatchedOption("--debug"));
    }

    private static Report ofFile(FileSystemException e) {
        if (e instanceof NoSuchFileException) {
            return one(e.getFile() + ": no such file or directory", ExitCode.INPUT);
        }
        if (e instanceof AccessDeniedException) {
            return one(e.getFile() + ": permission denied", ExitCode.INPUT);
        }
        if (e instanceof DirectoryNotEmptyException) {
            return one(e.getFile() + ": is not empty; name another output", ExitCode.FAILED);
        }
        if (e instanceof FileAlreadyExistsException) {
            return one(e.getFile() + ": exists already; name another output", ExitCode.FAILED);
        }
        return one(described(e), ExitCode.FAILED);
    }

    private static Report one(String line, int exitCode) {
        return new Report(List.of(line), exitCode);
    }

    private static String described(Throwable e) {
        String message = e.getMessage();
        if (message != null && message.contains(DISK_FULL)) {
            return message + "; make room and run it again, training goes on with --resume";
        }
        return message == null || message.isBlank()
                ? "unexpected " + e.getClass().getSimpleName() + "; see it whole with --debug"
                : message;
    }
}
