package dev.tegu.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.console.Sizes;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what a model directory holds. */
@Command(
        name = "inspect",
        header = "Say what a model directory holds.",
        description =
                "%nThe model's sizes, its method, how it was made (from its manifest), and its tensors"
                        + " as a tree in which layers that are alike stand once. Reads the"
                        + " configuration and the headers of the weights, not the weights.",
        footer = {
            "  scripts/tegu inspect runs/demo/student",
            "  scripts/tegu inspect path/to/huggingface/directory --tensors --json"
        })
final class InspectCommand extends TeguCommand {
    /** Keys of {@code config.json} that say what kind of model it is and how large. */
    private static final List<String> HEADLINES =
            List.of(
                    "model_type",
                    "num_hidden_layers",
                    "hidden_size",
                    "num_attention_heads",
                    "num_key_value_heads",
                    "head_dim",
                    "intermediate_size",
                    "vocab_size",
                    "max_position_embeddings",
                    "tie_word_embeddings");

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private Output output = new Output();

    private static final class Input {
        @Parameters(paramLabel = "DIR", description = "Directory of a model.")
        private Path dir;
    }

    private static final class Output extends JsonOption {
        @Option(names = "--tensors", description = "List every tensor, its type, shape and bytes.")
        private boolean tensors;
    }

    @Override
    public void run() {
        ObjectNode summary;
        TensorTree tree = new TensorTree();
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(input.dir)) {
            summary = CheckpointSummary.of(model, output.tensors);
            model.names().forEach(name -> tree.add(model.info(name)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (output.json) {
            out().println(summary);
        } else {
            print(summary, tree);
        }
    }

    private void print(ObjectNode summary, TensorTree tree) {
        PrintWriter out = out();
        JsonNode config = summary.path("config");
        HEADLINES.stream().filter(config::has).forEach(key -> line(key, config.get(key).asText()));
        line("parameters", String.format(Locale.ROOT, "%,d", summary.path("parameters").asLong()));
        line("bytes", String.format(Locale.ROOT, "%,d", summary.path("bytes").asLong()));
        line("tensors", summary.path("tensors").asText() + " " + summary.path("dtypes"));
        line("files", summary.path("files").toString());
        line("tokenizer", summary.path("tokenizer").toString());
        line("manifest", summary.path("has_manifest").asBoolean() ? "yes" : "no");
        block("record", summary.path("record"));
        block("adapters", summary.path("adapters"));
        block("linear_attention", config.path("linear_attention"));
        out.println("tensors:");
        if (!output.tensors) {
            tree.lines().forEach(line -> out.println("  " + line));
        }
        for (Map.Entry<String, JsonNode> tensor : summary.path("tensor").properties()) {
            JsonNode info = tensor.getValue();
            line(
                    "  " + tensor.getKey(),
                    (info.path("dtype").asText() + " " + info.path("shape"))
                            + (" " + Sizes.written(info.path("bytes").asLong())));
        }
    }

    private void block(String name, JsonNode json) {
        if (!json.isEmpty()) {
            out().println(name + ":");
            ConfigNode.parse(json.toString(), name)
                    .toYaml()
                    .lines()
                    .map("  "::concat)
                    .forEach(out()::println);
        }
    }

    private void line(String key, String value) {
        out().println(String.format(Locale.ROOT, "%-24s %s", key, value));
    }
}
