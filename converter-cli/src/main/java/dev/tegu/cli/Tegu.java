package dev.tegu.cli;

import dev.tegu.attention.AttentionProbe;
import dev.tegu.attention.LinearAttention;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.experiment.ConfigSchemas;
import dev.tegu.cli.experiment.ExportSettings;
import dev.tegu.model.MemoryType;
import dev.tegu.model.TeguVersion;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The program {@code tegu}. */
@Command(
        name = "scripts/tegu",
        header = "Turns pretrained transformers into models with constant-memory attention.",
        description =
                "%nResults go to stdout, talk and progress to stderr. `scripts/tegu COMMAND --help`"
                        + " explains a command.",
        version = "tegu " + TeguVersion.NUMBER,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n",
        subcommands = {
            RunCommand.class,
            ConvertCommand.class,
            TrainCommand.class,
            ExportCommand.class,
            ValidateCommand.class,
            ReportCommand.class,
            EvalCommand.class,
            AnalyzeCommand.class,
            GenerateCommand.class,
            ProbeCommand.class,
            InspectCommand.class,
            VerifyCommand.class,
            ListCommand.class,
            BenchCommand.class,
            DoctorCommand.class,
            CorpusCommand.class,
            PretrainCommand.class
        },
        footer = {"  scripts/tegu list tasks", "  scripts/tegu validate configs/demo.yaml"})
public final class Tegu implements Runnable {
    private final StopSignal stop;

    @Spec private CommandSpec spec;

    private Tegu(StopSignal stop) {
        this.stop = stop;
    }

    /** What may end a command before its time. */
    StopSignal stop() {
        return stop;
    }

    /** Without a command there is nothing to do: a usage error that shows what there is. */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "expected a command");
    }

    /** The parser with all commands, errors and help texts wired. */
    static CommandLine commandLine() {
        return commandLine(new StopSignal());
    }

    private static CommandLine commandLine(StopSignal stop) {
        CommandLine command = new CommandLine(new Tegu(stop));
        HelpStyle.apply(command);
        Choice.register(command, ListCommand.Listing.class);
        Choice.register(command, AttentionProbe.Form.class);
        Choice.register(command, LinearAttention.Branch.class);
        Choice.register(command, ExportSettings.Format.class);
        Choice.register(command, ExportSettings.WeightType.class);
        Choice.register(command, ConfigSchemas.class);
        Choice.register(command, MemoryType.class);
        Choice.register(command, BenchCommand.Part.class);
        // `bench --parts training`: the word of an option, though it is a command's too.
        return command.setAllowSubcommandsAsOptionParameters(true)
                .setExecutionExceptionHandler(Failures::onExecution)
                .setParameterExceptionHandler(Failures::onArguments);
    }

    /**
     * Runs one command, which no signal ends early.
     *
     * @return the exit code
     */
    static int run(String[] arguments, PrintWriter out, PrintWriter err) {
        return run(arguments, out, err, new StopSignal());
    }

    private static int run(String[] arguments, PrintWriter out, PrintWriter err, StopSignal stop) {
        try {
            return commandLine(stop).setOut(out).setErr(err).execute(arguments);
        } catch (Error e) {
            return Failures.print(e, Arrays.asList(arguments).contains("--debug"), err);
        } finally {
            out.flush();
            err.flush();
        }
    }

    /** Runs one command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        StopSignal stop = new StopSignal();
        stop.watch(Console.of(err));
        int exitCode = run(arguments, out, err, stop);
        stop.ended();
        System.exit(exitCode);
    }
}
