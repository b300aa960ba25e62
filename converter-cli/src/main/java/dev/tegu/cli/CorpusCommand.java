package dev.tegu.cli;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.eval.corpus.CorpusSettings;
import dev.tegu.eval.corpus.DemoCorpus;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes the demo's corpus. */
@Command(
        name = "corpus",
        header = "Write the seeded corpus that the demo's teacher learns.",
        description =
                "%nStatements about a small invented world, records with questions, and needles:"
                        + " "
                        + DemoCorpus.TRAIN
                        + ", "
                        + DemoCorpus.VALIDATION
                        + " and "
                        + DemoCorpus.HELDOUT
                        + ". The same settings give the same bytes on every machine.",
        footer = {
            "  scripts/tegu corpus --output runs/corpus",
            "  scripts/tegu corpus --output runs/corpus --set seed=1 --set train_documents=200"
        })
final class CorpusCommand extends TeguCommand {
    @ArgGroup(exclusive = false, heading = "%nInput:%n", order = 1)
    private Input input = new Input();

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nOutput:%n", order = 2)
    private Output output;

    private static final class Input {
        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "Change one setting of the corpus; may be repeated.")
        private Map<String, String> settings = new LinkedHashMap<>();
    }

    private static final class Output {
        @Option(
                names = "--output",
                required = true,
                paramLabel = "DIR",
                description = "Where to; made if absent, files of the corpus are replaced.")
        private Path dir;
    }

    @Override
    public void run() {
        ConfigNode node = ConfigNode.parse("{}", "--set");
        for (Map.Entry<String, String> setting : input.settings.entrySet()) {
            node = node.with(setting.getKey(), setting.getValue(), "--set");
        }
        CorpusSettings settings = ConfigBinder.bind(node, CorpusSettings.class);
        try {
            new DemoCorpus(settings).write(output.dir);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.dir);
    }
}
