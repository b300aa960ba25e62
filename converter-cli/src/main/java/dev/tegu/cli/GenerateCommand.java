package dev.tegu.cli;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.Generator;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import dev.tegu.tokenizer.IncrementalDecoder;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Continues a text. */
@Command(
        name = "generate",
        header = "Continue a text.",
        description =
                "%nPrints the prompt and what follows it. A student's memory does not grow with the"
                        + " text; a teacher's does.",
        footer = {
            "  scripts/tegu generate runs/demo/export --prompt 'Once upon a time' --greedy",
            "  scripts/tegu generate path/to/model --prompt 'The city' --max-new-tokens 200 --seed 1"
        })
final class GenerateCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private Output output = new Output();

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private ModelDeviceOptions device = new ModelDeviceOptions();

    private static final class Input extends ModelInput {
        @Option(
                names = "--prompt",
                required = true,
                paramLabel = "TEXT",
                description = "Text to continue; may be empty for models with a BOS mark.")
        private String prompt;
    }

    private static final class Output extends JsonOption {
        @Option(
                names = "--max-new-tokens",
                paramLabel = "N",
                description = "How many tokens at most; 100 if not given.")
        private int maxNewTokens = 100;

        @Option(names = "--greedy", description = "Always take the most probable token.")
        private boolean greedy;

        @Option(
                names = "--temperature",
                paramLabel = "X",
                description = "Divides the logits before sampling; 0.8 if not given.")
        private double temperature = 0.8;

        @Option(
                names = "--seed",
                paramLabel = "N",
                description = "Decides what is sampled; 0 if not given.")
        private long seed;
    }

    @Override
    public void run() {
        if (output.maxNewTokens < 1 || !(output.temperature >= 0)) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "expected --max-new-tokens of 1 or more and --temperature of 0 or more");
        }
        Device place = device.device();
        try (DecoderModel model =
                        AdaptedModels.load(input.model, place, Set.of(), device.type(place));
                HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(input.model)) {
            generate(model, tokenizer);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void generate(DecoderModel model, HuggingFaceTextTokenizer tokenizer) {
        int[] prompt = tokenizer.encode(input.prompt, true);
        if (prompt.length == 0) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--prompt has no tokens; this model has no BOS mark");
        }
        OptionalInt stop = tokenizer.eosId();
        Generator.Settings settings =
                new Generator.Settings(
                        output.maxNewTokens,
                        output.greedy ? 0 : output.temperature,
                        output.seed,
                        stop);
        IncrementalDecoder decoder = new IncrementalDecoder(tokenizer, prompt, true);
        StringBuilder text = new StringBuilder();
        show(input.prompt);
        long started = System.nanoTime();
        Generator.Generated generated =
                new Generator(model)
                        .generate(
                                prompt,
                                settings,
                                token -> {
                                    String piece = decoder.add(token);
                                    text.append(piece);
                                    show(piece);
                                });
        double seconds = (System.nanoTime() - started) * 1e-9;
        String rest = decoder.finish();
        show(rest + System.lineSeparator());
        if (output.json) {
            ObjectNode json = JsonNodeFactory.instance.objectNode();
            json.put("prompt", input.prompt).put("text", text + rest);
            for (int id : prompt) {
                json.withArray("prompt_tokens").add(id);
            }
            generated.tokens().forEach(json.withArray("tokens")::add);
            json.put("state_bytes", generated.stateBytes());
            out().println(json);
        }
        console()
                .say(
                        String.format(
                                Locale.ROOT,
                                "%d tokens in %.1f s, %,d bytes of state",
                                generated.tokens().size(),
                                seconds,
                                generated.stateBytes()));
    }

    private void show(String piece) {
        if (!output.json) {
            PrintWriter out = out();
            out.print(piece);
            out.flush();
        }
    }
}
