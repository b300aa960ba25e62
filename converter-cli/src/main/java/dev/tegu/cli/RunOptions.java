package dev.tegu.cli;

import picocli.CommandLine.Option;

/** How a run treats what is there already. */
final class RunOptions {
    static final String HEADING = "%nTraining:%n";

    @Option(
            names = "--resume",
            description =
                    "Go on with an interrupted run of the same settings; its last checkpoint is taken"
                            + " up, to the same bits.")
    boolean resume;

    @Option(
            names = "--dry-run",
            description =
                    "Read everything, compute one batch of each stage, and print plan, memory, disk"
                            + " and time; write nothing.")
    boolean dryRun;
}
