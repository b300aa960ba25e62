package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a model directory holds, from its configuration and the headers of its weights. */
final class CheckpointSummary {
    private CheckpointSummary() {}

    /**
     * Keys: {@code path}, {@code config} ({@code config.json}), {@code tensors}, {@code
     * parameters}, {@code bytes}, {@code dtypes} (tensors by type), {@code tokenizer} (file names),
     * {@code files} (of weights), {@code has_manifest}, {@code record} (what the manifest says of
     * how the model was made: method, digests of the base model and the data, version), {@code
     * adapters} (adapter_config.json, where there is one), {@code tree} (see {@link TensorTree}),
     * and {@code tensor} (shape, type and bytes by name) when asked for.
     */
    static ObjectNode of(HuggingFaceDirectory model, boolean withTensors) throws IOException {
        ObjectNode summary = JsonNodeFactory.instance.objectNode();
        summary.put("path", model.path().toString());
        summary.set("config", model.config());
        ObjectNode dtypes = JsonNodeFactory.instance.objectNode();
        ObjectNode tensors = JsonNodeFactory.instance.objectNode();
        TensorTree tree = new TensorTree();
        long parameters = 0;
        long bytes = 0;
        for (String name : model.names()) {
            TensorInfo info = model.info(name);
            parameters += info.elementCount();
            bytes += info.byteLength();
            dtypes.put(info.dtype().name(), dtypes.path(info.dtype().name()).asInt() + 1);
            tensors.set(name, describe(info));
            tree.add(info);
        }
        summary.put("tensors", model.names().size());
        summary.put("parameters", parameters);
        summary.put("bytes", bytes);
        summary.set("dtypes", dtypes);
        for (Path file : model.tokenizerFiles()) {
            summary.withArray("tokenizer").add(String.valueOf(file.getFileName()));
        }
        for (Path file : model.weightFiles()) {
            summary.withArray("files").add(String.valueOf(file.getFileName()));
        }
        boolean hasManifest = Files.exists(model.path().resolve(Manifest.FILE_NAME));
        summary.put("has_manifest", hasManifest);
        if (hasManifest) {
            ObjectNode made = summary.putObject("record");
            Manifest.read(model.path()).properties().forEach(made::put);
        }
        Path adapters = model.path().resolve("adapter_config.json");
        if (Files.exists(adapters)) {
            summary.set("adapters", StrictJson.read(adapters));
        }
        summary.set("tree", tree.json());
        if (withTensors) {
            summary.set("tensor", tensors);
        }
        return summary;
    }

    private static ObjectNode describe(TensorInfo info) {
        ObjectNode tensor = JsonNodeFactory.instance.objectNode();
        tensor.put("dtype", info.dtype().name());
        info.shape().forEach(tensor.withArray("shape")::add);
        tensor.put("bytes", info.byteLength());
        return tensor;
    }
}
