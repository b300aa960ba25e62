package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionState;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.ConfigBinder;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A decoder's state as a safetensors file.
 *
 * <p>Tensors: {@code layers.N.NAME} with the names of {@link AttentionState}, or {@code keys} and
 * {@code values} of a softmax layer; {@code rows.NAME}, see {@link Rows}, once rows differ.
 * Metadata: {@code tegu_state}, the version of this format; {@code batch} and {@code length}, rows
 * and columns read; and what the model must agree in, each under config.json's name where it has
 * one.
 */
final class StateFile {
    private static final String VERSION_KEY = "tegu_state";
    private static final String VERSION = "1";

    private StateFile() {}

    static void save(DecoderState state, Path file) throws IOException {
        Map<String, String> metadata = new TreeMap<>(identity(state.model().config()));
        metadata.put(VERSION_KEY, VERSION);
        metadata.put("batch", String.valueOf(state.batch()));
        metadata.put("length", String.valueOf(state.length()));
        Map<String, TensorSource> tensors = new TreeMap<>();
        for (int i = 0; i < state.layers().size(); i++) {
            for (Map.Entry<String, NDArray> t : state.layers().get(i).tensors().entrySet()) {
                tensors.put(layer(i) + t.getKey(), source(state.model(), t.getValue()));
            }
        }
        state.rows()
                .ifPresent(
                        rows ->
                                rows.tensors()
                                        .forEach(
                                                (n, t) ->
                                                        tensors.put(
                                                                "rows." + n,
                                                                source(state.model(), t))));
        SafetensorsWriter.replace(file, tensors, metadata);
    }

    private static String layer(int index) {
        return "layers." + index + ".";
    }

    /** Caches of a model in half precision become float32, which changes no number. */
    private static TensorSource source(DecoderModel model, NDArray tensor) {
        List<Long> shape = Arrays.stream(tensor.getShape().getShape()).boxed().toList();
        if (tensor.getDataType() == DataType.INT64) {
            return TensorSource.of(DType.I64, shape, tensor::toByteBuffer);
        }
        return TensorSource.of(
                DType.F32,
                shape,
                () -> {
                    try (NDArray wide =
                            model.script()
                                    .call("widen", new TorchScript.Arguments().add(tensor))
                                    .get(0)) {
                        return wide.toByteBuffer();
                    }
                });
    }

    /** What two models must agree in for one to read the other's state. */
    private static Map<String, String> identity(ModelConfig config) {
        AttentionShape shape = config.shape();
        Map<String, String> identity = new LinkedHashMap<>();
        identity.put("model_type", config.architecture().modelType());
        identity.put("num_hidden_layers", String.valueOf(config.numLayers()));
        identity.put("hidden_size", String.valueOf(shape.hiddenSize()));
        identity.put("num_attention_heads", String.valueOf(shape.numHeads()));
        identity.put("num_key_value_heads", String.valueOf(shape.numKvHeads()));
        identity.put("head_dim", String.valueOf(shape.headDim()));
        identity.put("vocab_size", String.valueOf(config.vocabSize()));
        identity.put("rope", config.rope().toString());
        config.switches()
                .longRope()
                .ifPresent(longRope -> identity.put("long_rope", longRope.toString()));
        identity.put(
                ModelConfig.LINEAR_ATTENTION,
                config.linearAttention()
                        .map(spec -> json(ConfigBinder.toMap(spec)))
                        .orElse("none"));
        return identity;
    }

    private static String json(Map<String, Object> block) {
        try {
            return new ObjectMapper()
                    .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
                    .writeValueAsString(block);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("switches are plain values", e);
        }
    }

    static DecoderState load(Path path, DecoderModel model) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path);
                NDManager scope = model.manager().newSubManager()) {
            checkModel(file, model.config());
            int batch = number(file, "batch");
            int length = number(file, "length");
            if (batch == 0) {
                return new DecoderState(model);
            }
            Set<String> unread = new TreeSet<>(file.tensors().keySet());
            List<LayerState> layers = new ArrayList<>();
            for (int i = 0; i < model.layers().size(); i++) {
                layers.add(layer(file, scope, model, i, batch, length, unread));
            }
            Optional<Rows> rows = Optional.empty();
            if (file.tensors().containsKey("rows.seen")) {
                long columns = model.hasSoftmax() ? length : 0;
                Map<String, NDArray> read = new LinkedHashMap<>();
                for (String name : List.of("seen", "document", "text")) {
                    read.put(name, read(file, scope, "rows." + name, DType.I64, unread, batch));
                }
                read.put(
                        "columns",
                        read(file, scope, "rows.columns", DType.I64, unread, batch, columns));
                rows = Optional.of(Rows.of(read));
            }
            if (!unread.isEmpty()) {
                throw new CheckpointException(
                        path
                                + ": `"
                                + unread.iterator().next()
                                + "`: not part of this model's state");
            }
            return new DecoderState(model, batch, length, rows, layers::get);
        }
    }

    private static void checkModel(SafetensorsFile file, ModelConfig config) {
        Map<String, String> found = file.metadata();
        if (!found.containsKey(VERSION_KEY)) {
            throw new CheckpointException(
                    file.path()
                            + ": not the state of a model; give a file that a state was saved to");
        }
        if (!found.get(VERSION_KEY).equals(VERSION)) {
            throw new CheckpointException(
                    (file.path() + ": `" + VERSION_KEY + "` is " + found.get(VERSION_KEY))
                            + (", this program reads " + VERSION + "; read the text again"));
        }
        identity(config)
                .forEach(
                        (key, value) -> {
                            if (!value.equals(found.get(key))) {
                                throw new CheckpointException(
                                        (file.path() + ": the state of another model: `" + key)
                                                + ("` is " + found.get(key) + " there, " + value)
                                                + " here; load it with the model that saved it");
                            }
                        });
    }

    private static int number(SafetensorsFile file, String key) {
        String text = file.metadata().getOrDefault(key, "");
        if (!text.matches("[0-9]{1,9}")) {
            throw new CheckpointException(
                    (file.path() + ": `" + key + "` is `" + text + "`, expected a whole number;")
                            + " the file is damaged: save it again");
        }
        return Integer.parseInt(text);
    }

    private static LayerState layer(
            SafetensorsFile file,
            NDManager scope,
            DecoderModel model,
            int index,
            int batch,
            int length,
            Set<String> unread)
            throws IOException {
        String prefix = layer(index);
        DecoderLayer layer = model.layers().get(index);
        AttentionShape shape = model.config().shape();
        if (layer.attention().isEmpty()) {
            long[] dims = {batch, shape.numKvHeads(), length, shape.headDim()};
            return new LayerState.Softmax(
                    cache(model, read(file, scope, prefix + "keys", DType.F32, unread, dims)),
                    cache(model, read(file, scope, prefix + "values", DType.F32, unread, dims)));
        }
        int width = shape.headDim();
        Map<String, NDArray> tensors = new LinkedHashMap<>();
        try (NDManager like = scope.newSubManager()) {
            Shape keys = new Shape(batch, shape.numKvHeads(), 1, width);
            AttentionState empty =
                    layer.attention()
                            .get()
                            .emptyState(
                                    like.zeros(new Shape(batch, shape.numHeads(), 1, width)),
                                    like.zeros(keys),
                                    like.zeros(keys));
            for (Map.Entry<String, NDArray> t : new TreeMap<>(empty.tensors()).entrySet()) {
                boolean isCount = t.getValue().getDataType() == DataType.INT64;
                tensors.put(
                        t.getKey(),
                        read(
                                file,
                                scope,
                                prefix + t.getKey(),
                                isCount ? DType.I64 : DType.F32,
                                unread,
                                t.getValue().getShape().getShape()));
            }
        }
        return new LayerState.Linear(AttentionState.of(tensors));
    }

    /** Keys or values in the type that the model's weights have. */
    private static NDArray cache(DecoderModel model, NDArray wide) {
        NDArray embedding = model.ends().get(0);
        return model.script()
                .call("as_type_of", new TorchScript.Arguments().add(wide).add(embedding))
                .get(0);
    }

    private static NDArray read(
            SafetensorsFile file,
            NDManager owner,
            String name,
            DType dtype,
            Set<String> unread,
            long... shape)
            throws IOException {
        TensorInfo info = file.info(name);
        if (info.dtype() != dtype || !Arrays.equals(info.dimensions(), shape)) {
            throw new CheckpointException(
                    (file.path() + ": `" + name + "`: expected " + dtype + " ")
                            + (Arrays.toString(shape) + ", found " + info.dtype() + " ")
                            + (info.shape() + "; the file is damaged: save it again"));
        }
        unread.remove(name);
        DataType type = dtype == DType.I64 ? DataType.INT64 : DataType.FLOAT32;
        Shape dims = new Shape(shape);
        return dims.size() == 0
                ? owner.zeros(dims, type)
                : TensorCodec.owned(owner.create(file.map(name), dims, type));
    }
}
