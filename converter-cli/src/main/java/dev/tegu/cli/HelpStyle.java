package dev.tegu.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.UsageMessageSpec;

/** Gives every help text the same end: the examples of the command, then the exit codes. */
final class HelpStyle {
    private static final int WIDTH = 100;

    private HelpStyle() {}

    /** Applies the style to a command and all its subcommands. */
    static void apply(CommandLine command) {
        UsageMessageSpec usage = command.getCommandSpec().usageMessage();
        usage.width(WIDTH)
                .abbreviateSynopsis(true)
                .sortOptions(false)
                .footerHeading("%nExamples:%n")
                .exitCodeListHeading("%nExit codes:%n")
                .exitCodeList(ExitCode.meanings());
        List<String> sections = new ArrayList<>(command.getHelpSectionKeys());
        sections.remove(UsageMessageSpec.SECTION_KEY_EXIT_CODE_LIST_HEADING);
        sections.remove(UsageMessageSpec.SECTION_KEY_EXIT_CODE_LIST);
        sections.add(UsageMessageSpec.SECTION_KEY_EXIT_CODE_LIST_HEADING);
        sections.add(UsageMessageSpec.SECTION_KEY_EXIT_CODE_LIST);
        command.setHelpSectionKeys(sections);
        command.getSubcommands().values().forEach(HelpStyle::apply);
    }
}
