package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** What every help text promises. */
final class HelpTest {
    private static final String PROGRAM = "scripts/tegu";

    static Stream<String> commands() {
        return all(Tegu.commandLine()).map(c -> c.getCommandSpec().qualifiedName());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("commands")
    void endsWithTwoExamplesThatParseAndTheExitCodes(String qualifiedName) {
        Invocation help = Invocation.of(withHelp(qualifiedName));

        String end = help.out().substring(help.out().indexOf("\nExamples:\n"));
        List<String> examples =
                end.lines().map(String::strip).filter(l -> l.startsWith(PROGRAM + " ")).toList();
        assertEquals(0, help.exitCode());
        assertEquals("", help.err());
        assertTrue(examples.size() >= 2, end);
        for (String example : examples) {
            assertTrue(example.startsWith(qualifiedName), example);
            String[] arguments = words(example.substring(PROGRAM.length() + 1));
            assertDoesNotThrow(() -> Tegu.commandLine().parseArgs(arguments), example);
        }
        assertTrue(
                end.endsWith(
                        """

                        Exit codes:
                           0    done
                           1    failed
                           2    wrong usage of the command line
                           3    bad configuration
                           4    bad, missing or unreadable input file
                           5    verification failed
                          130   interrupted
                          143   terminated
                        """),
                end);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("commands")
    void saysWhatEveryOptionDoesWithoutColours(String qualifiedName) {
        CommandLine command = find(qualifiedName);

        for (OptionSpec option : command.getCommandSpec().options()) {
            assertTrue(option.description().length > 0, option.longestName());
        }
        assertFalse(Invocation.of(withHelp(qualifiedName)).out().contains("\u001B"));
    }

    @Test
    void everyCommandStandsInTheListOfCommands() {
        String help = Invocation.of("--help").out();

        for (String name : Tegu.commandLine().getSubcommands().keySet()) {
            assertTrue(help.contains("\n  " + name + " "), name);
        }
    }

    private static Stream<CommandLine> all(CommandLine command) {
        Stream<CommandLine> below =
                command.getSubcommands().values().stream().flatMap(HelpTest::all);
        return Stream.concat(Stream.of(command), below);
    }

    private static CommandLine find(String qualifiedName) {
        return all(Tegu.commandLine())
                .filter(c -> c.getCommandSpec().qualifiedName().equals(qualifiedName))
                .findFirst()
                .orElseThrow();
    }

    private static String[] withHelp(String qualifiedName) {
        return words((qualifiedName + " --help").substring(PROGRAM.length()).strip());
    }

    /** The words of a shell command that quotes with single quotes. */
    private static String[] words(String line) {
        return Arrays.stream(line.split(" (?=(?:[^']*'[^']*')*[^']*$)"))
                .map(word -> word.replace("'", ""))
                .toArray(String[]::new);
    }
}
