package dev.tegu.cli;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.config.ConfigNode;
import dev.tegu.lora.LolcatsImport;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.lolcats.LolcatsCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A student directory, untrained or with the tensors of a LoLCATs checkpoint. */
@Command(
        name = "convert",
        header = "Make a student of a teacher, without training.",
        description =
                "%nCopies the teacher's weights as they are and adds the method's new parameters at"
                        + " their start values, or as trained by LoLCATs' own program. `run`"
                        + " converts and trains.",
        footer = {
            "  scripts/tegu convert --teacher path/to/model --method my.yaml --output students/a",
            "  scripts/tegu convert --teacher llama --method lolcats --lolcats-checkpoint a.pt --output b"
        })
final class ConvertCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = JsonOption.HEADING, order = 2)
    private OutputDirectory output;

    @ArgGroup(exclusive = false, heading = "%nImport:%n", order = 3)
    private Import imported = new Import();

    private static final class Input {
        @Option(
                names = "--teacher",
                required = true,
                paramLabel = "DIR",
                description = "Directory of a model of HuggingFace's layout.")
        private Path teacher;

        @Option(
                names = "--method",
                required = true,
                paramLabel = "NAME",
                description = "A preset (`scripts/tegu list methods`) or a YAML file.")
        private String method;

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "Lay a switch over the method, for example `window.size=32`.")
        private Map<String, String> overrides = new LinkedHashMap<>();

        @Option(
                names = "--seed",
                paramLabel = "N",
                description = "Decides random start values; 0 if not given.")
        private long seed;
    }

    private static final class Import {
        @Option(
                names = "--lolcats-checkpoint",
                required = true,
                paramLabel = "FILE",
                description =
                        "Trained tensors, saved by LoLCATs with torch.save; more than once: the"
                                + " `_distill` file, then the `_ft` file. No code in them is run.")
        private List<Path> checkpoints = new ArrayList<>();

        @Option(
                names = "--lora-alpha",
                paramLabel = "X",
                description = "Scale of the adapters in these files; 16 if not given.")
        private Double loraAlpha;
    }

    @Override
    public void run() {
        ConfigNode switches = ConfigNode.parse("{}", "--set");
        for (Map.Entry<String, String> override : input.overrides.entrySet()) {
            switches = switches.with(override.getKey(), override.getValue(), "--set");
        }
        AttentionSpec spec = Methods.resolve(ConfigNode.of(input.method, "--method"), switches);
        try (HuggingFaceDirectory teacher = HuggingFaceDirectory.open(input.teacher)) {
            ModelWriter student = ModelWriter.student(teacher, spec, input.seed);
            student.model().notes().forEach(note -> console().say("note: " + note));
            write(student.property("method", input.method));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.dir);
    }

    private void write(ModelWriter student) throws IOException {
        if (imported.checkpoints.isEmpty()) {
            student.write(output.dir);
            return;
        }
        OptionalDouble alpha =
                imported.loraAlpha == null
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(imported.loraAlpha);
        try (LolcatsCheckpoint checkpoint = LolcatsCheckpoint.open(imported.checkpoints)) {
            LolcatsImport.apply(student, checkpoint, alpha)
                    .property("lolcats_checkpoint", checkpoint.names())
                    .write(output.dir);
        }
    }
}
