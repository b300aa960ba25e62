package dev.tegu.cli;

import java.nio.file.Path;
import picocli.CommandLine.Parameters;

/** The model a command works on. */
class ModelInput {
    @Parameters(
            paramLabel = "MODEL",
            description = "Directory of a teacher (HuggingFace layout) or of a student.")
    Path model;
}
