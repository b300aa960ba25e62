package dev.tegu.cli;

import ai.djl.Device;
import dev.tegu.cli.pipeline.ModelComparison;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.analysis.AnalysisResult;
import dev.tegu.eval.analysis.AnalysisSettings;
import dev.tegu.eval.analysis.AnalysisTables;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what a student's attention does, beside its teacher's. */
@Command(
        name = "analyze",
        header = "Show what a student's attention keeps of its teacher's, layer by layer.",
        description =
                "%nMeasures, on a text: how far each layer and head is from the teacher's, where"
                        + " their predictions part, what each branch of the attention carries, and"
                        + " which of the teacher's retrieval heads the student keeps. Writes"
                        + " analysis.json and prints tables; docs/analysis.md explains every"
                        + " number. Both models are in memory at once.",
        footer = {
            "  scripts/tegu analyze runs/a/export --teacher path/to/model --data book.txt"
                    + " --output runs/a",
            "  scripts/tegu analyze student --teacher model --data texts --output out --limit 2"
                    + " --json"
        })
final class AnalyzeCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = JsonOption.HEADING, order = 2)
    private Output output;

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private ModelDeviceOptions device = new ModelDeviceOptions();

    private static final class Input {
        @Parameters(paramLabel = "STUDENT", description = "Directory of a student or an export.")
        private Path student;

        @Option(
                names = "--teacher",
                required = true,
                paramLabel = "DIR",
                description = "Directory of the model that the student was made of.")
        private Path teacher;

        @Option(
                names = "--data",
                required = true,
                paramLabel = "PATH",
                description = "Text file, or a directory of .txt, .md or .tokens files.")
        private Path data;

        @Option(
                names = "--limit",
                paramLabel = "N",
                description = "Sequences of the text at most; 8 if not given.")
        private int limit = AnalysisSettings.DEFAULT_LIMIT;

        @Option(
                names = "--context",
                paramLabel = "N",
                description =
                        "Tokens of a sequence; 512 if not given, fewer where a model takes fewer.")
        private int context = 512;

        @Option(
                names = "--needles",
                paramLabel = "N",
                description =
                        "Documents with a hidden number, for the retrieval heads; 20 if not given.")
        private int needles = AnalysisSettings.DEFAULT_NEEDLES;

        @Option(
                names = "--characters",
                paramLabel = "N",
                description = "Length of those documents, in characters; 1500 if not given.")
        private int characters = 1500;

        @Option(
                names = "--seed",
                paramLabel = "N",
                description = "Seed of those documents; 0 if not given.")
        private long seed;
    }

    private static final class Output extends JsonOption {
        @Option(
                names = "--output",
                required = true,
                paramLabel = "DIR",
                description = "Write analysis.json there; an older one is replaced.")
        private Path dir;
    }

    @Override
    public void run() {
        AnalysisSettings settings =
                new AnalysisSettings(
                        input.context, input.limit, input.needles, input.characters, input.seed);
        Device place = device.device();
        ModelComparison comparison =
                new ModelComparison(
                        input.teacher, input.student, place, device.type(place), console());
        try {
            AnalysisResult result = comparison.run(data(), settings);
            Path file = comparison.write(result, output.dir);
            if (output.json) {
                out().println(comparison.json(result));
            } else {
                out().print(AnalysisTables.of(result));
            }
            console().say("Written: " + file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private EvalData data() {
        try {
            return EvalData.load(input.data);
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
    }
}
