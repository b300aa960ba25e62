package dev.tegu.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The directory that a command makes. */
final class OutputDirectory {
    @Option(
            names = "--output",
            required = true,
            paramLabel = "DIR",
            description = "Directory to make; it must not exist, or be empty.")
    Path dir;
}
