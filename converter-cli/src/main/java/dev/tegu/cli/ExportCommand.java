package dev.tegu.cli;

import dev.tegu.checkpoint.DType;
import dev.tegu.cli.experiment.ExportSettings;
import dev.tegu.lora.StudentExport;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A student to give away. */
@Command(
        name = "export",
        header = "Write a student to give away, its adapters merged, or the adapters alone.",
        description =
                "%nThe student itself is not changed. transformers loads what hf and base write, PEFT"
                        + " loads the adapters of peft onto what base writes (docs/export.md).",
        footer = {
            "  scripts/tegu export runs/demo/student --output exports/demo --dtype bfloat16",
            "  scripts/tegu export runs/demo/student --output exports/adapter --format peft"
        })
final class ExportCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private ModelInput input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = JsonOption.HEADING, order = 2)
    private OutputDirectory output;

    @ArgGroup(exclusive = false, heading = "%nFormat:%n", order = 3)
    private Format format = new Format();

    private static final class Format {
        @Option(
                names = "--format",
                paramLabel = "NAME",
                description =
                        "hf, a model directory with the adapters merged (the default); base, the same"
                                + " without the adapters; or peft, the adapters alone.")
        private ExportSettings.Format format = ExportSettings.Format.HF;

        @Option(
                names = "--dtype",
                paramLabel = "NAME",
                description =
                        "float32, float16 or bfloat16; the student's own if not given. New"
                                + " parameters stay float32.")
        private ExportSettings.WeightType dtype;
    }

    @Override
    public void run() {
        try {
            export(
                    input.model,
                    output.dir,
                    format.format,
                    Optional.ofNullable(format.dtype),
                    written -> {});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.dir);
    }

    /**
     * Exports as an experiment asks.
     *
     * @param measurement what is done with the export before it appears, for the format hf
     */
    static void export(
            Path student,
            Path output,
            ExportSettings settings,
            StudentExport.Measurement measurement)
            throws IOException {
        export(student, output, settings.format(), Optional.of(settings.dtype()), measurement);
    }

    private static void export(
            Path student,
            Path output,
            ExportSettings.Format format,
            Optional<ExportSettings.WeightType> dtype,
            StudentExport.Measurement measurement)
            throws IOException {
        switch (format) {
            case HF ->
                    StudentExport.huggingFace(
                            student, dtype.map(ExportCommand::type), output, measurement);
            case BASE -> StudentExport.base(student, dtype.map(ExportCommand::type), output);
            case PEFT -> StudentExport.peft(student, output);
        }
    }

    private static DType type(ExportSettings.WeightType type) {
        return switch (type) {
            case FLOAT32 -> DType.F32;
            case FLOAT16 -> DType.F16;
            case BFLOAT16 -> DType.BF16;
        };
    }
}
