package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.console.Sizes;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.ReportTable;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.StateSize;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What each preset would keep in memory for one sequence of a model, all its layers linear. */
final class MethodSizes {
    private final Path dir;
    private final ModelConfig model;

    private MethodSizes(Path dir, ModelConfig model) {
        this.dir = dir;
        this.model = model;
    }

    /** Reads {@code config.json} of a teacher or a student, not its weights. */
    static MethodSizes of(Path dir) throws IOException {
        String source = dir.resolve("config.json").toString();
        ObjectNode config = HuggingFaceDirectory.readConfig(dir);
        return new MethodSizes(dir, ModelConfig.parse(config, source));
    }

    private long softmaxBytes() {
        return StateSize.ofWindow(model.maxPositions(), model.shape()) * model.numLayers();
    }

    private long bytes(AttentionSpec spec) {
        return StateSize.of(spec, model.shape()) * model.numLayers();
    }

    /**
     * Keys: {@code model}, {@code layers}, {@code context}, {@code softmax_cache_bytes}, and in
     * {@code methods} for each preset {@code description}, {@code state_bytes} and {@code
     * equal_window}; {@code misfit} in their place where a preset does not fit the model.
     */
    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("model", dir.toString());
        json.put("layers", model.numLayers());
        json.put("context", model.maxPositions());
        json.put("softmax_cache_bytes", softmaxBytes());
        ObjectNode methods = json.putObject("methods");
        for (Map.Entry<String, String> preset : Methods.described().entrySet()) {
            AttentionSpec spec = AttentionPresets.spec(preset.getKey());
            ObjectNode method = methods.putObject(preset.getKey());
            method.put("description", preset.getValue());
            try {
                method.put("state_bytes", bytes(spec));
                method.put("equal_window", StateSize.equalWindow(spec, model.shape()));
            } catch (InvalidValueException e) {
                method.put("misfit", e.key() + ": " + e.getMessage());
            }
        }
        return json;
    }

    /** A table for people. */
    List<String> lines() {
        List<String> header = List.of("method", "state", "of softmax", "equal window");
        List<List<String>> rows = new ArrayList<>();
        List<String> misfits = new ArrayList<>();
        long softmax = softmaxBytes();
        for (String name : AttentionPresets.NAMES) {
            AttentionSpec spec = AttentionPresets.spec(name);
            try {
                long bytes = bytes(spec);
                rows.add(
                        List.of(
                                name,
                                Sizes.written(bytes),
                                String.format(Locale.ROOT, "%.2f %%", 100.0 * bytes / softmax),
                                String.valueOf(StateSize.equalWindow(spec, model.shape()))));
            } catch (InvalidValueException e) {
                rows.add(List.of(name, "-", "-", "-"));
                misfits.add(name + " does not fit: " + e.key() + ": " + e.getMessage());
            }
        }
        List<String> lines = new ArrayList<>();
        lines.add(
                (dir + ": " + model.numLayers() + " layers, context " + model.maxPositions())
                        + (". Softmax keeps " + Sizes.written(softmax) + " for one sequence of")
                        + " full context, in float32.");
        lines.add("");
        new ReportTable(header, 1, rows).text().lines().forEach(lines::add);
        lines.addAll(misfits);
        lines.add("");
        lines.add("state: one sequence, all layers linear, whatever its length.");
        lines.add(
                "equal window: tokens of the softmax window that costs as much, the control to compare with.");
        return lines;
    }
}
