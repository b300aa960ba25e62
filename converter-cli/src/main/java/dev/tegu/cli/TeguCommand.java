package dev.tegu.cli;

import dev.tegu.cli.console.Console;
import java.io.PrintWriter;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What every command has: help, {@code --debug}, and the two streams. */
@Command
abstract class TeguCommand implements Runnable {
    /** Order of the last group in the help. */
    private static final int LAST = 100;

    @Spec CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and end.")
    boolean help;

    @ArgGroup(exclusive = false, heading = "%nLogging:%n", order = LAST)
    Logging logging = new Logging();

    /** How a command talks. */
    static final class Logging {
        /** Read by {@link Failures} in the parsed arguments, whatever command failed. */
        @Option(names = "--debug", description = "Print the stack trace of an error.")
        boolean debug;
    }

    /** Where results go. */
    final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    /** What may end the command before its time. */
    final StopSignal stop() {
        return ((Tegu) spec.root().userObject()).stop();
    }

    /** Where talk goes. */
    final Console console() {
        return Console.of(spec.commandLine().getErr());
    }
}
