package dev.tegu.cli;

import dev.tegu.cli.pipeline.Plan;
import java.io.PrintWriter;
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

    /** Shows what a dry run has found. */
    void print(Plan plan, boolean json, PrintWriter out) {
        if (json) {
            out.println(plan.json());
        } else {
            out.print(plan.text());
        }
    }
}
