package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes what a model computes for given tokens, to compare with another implementation.
 *
 * <p>Reads {@code input_ids} [B, T] int64; writes float32 {@code logits} [B, T, V] and {@code
 * hidden_states.N} [B, T, M] as transformers returns them: 0 is the embeddings, N the residual
 * stream after layer N - 1, the last one after the final norm.
 */
public final class LogitsProbe {
    private static final String INPUT_IDS = "input_ids";

    private LogitsProbe() {}

    /**
     * @param model with its adapters, if it has any
     * @param ids safetensors file with {@code input_ids}
     * @param output safetensors file to write, replaced whole if it exists
     * @throws CheckpointException if {@code ids} is not right
     */
    public static void run(DecoderModel model, Path ids, Path output) throws IOException {
        try (TorchScript casts =
                        TorchScript.load(LogitsProbe.class, "casts.py", Map.of("dtype", 6L));
                NDManager scope = model.manager().newSubManager()) {
            SafetensorsWriter.replace(output, run(model, read(ids, model, scope), casts));
        }
    }

    private static Map<String, TensorSource> run(
            DecoderModel model, NDArray ids, TorchScript casts) {
        Map<String, TensorSource> results = new TreeMap<>();
        DecoderLayer.Places places = model.places(TokenBatch.of(ids));
        NDArray hidden = model.embed(ids, places);
        int number = 0;
        for (DecoderLayer layer : model.layers()) {
            results.put("hidden_states." + number++, source(wide(hidden, model, casts)));
            hidden = layer.forward(hidden, places);
        }
        results.put("hidden_states." + number, source(wide(model.normed(hidden), model, casts)));
        results.put("logits", source(model.logits(hidden)));
        return results;
    }

    private static NDArray wide(NDArray hidden, DecoderModel model, TorchScript casts) {
        return model.dtype() == DType.F32
                ? hidden
                : casts.call("narrow", new TorchScript.Arguments().add(hidden)).get(0);
    }

    private static TensorSource source(NDArray array) {
        List<Long> shape = Arrays.stream(array.getShape().getShape()).boxed().toList();
        return TensorSource.of(DType.F32, shape, () -> TensorCodec.encode(array, DType.F32));
    }

    private static NDArray read(Path path, DecoderModel model, NDManager manager)
            throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            TensorInfo info = file.info(INPUT_IDS);
            if (info.dtype() != DType.I64
                    || info.shape().size() != 2
                    || info.elementCount() == 0
                    || info.shape().get(1) > model.maxPositions()) {
                throw fault(
                        path,
                        ("expected I64 [B, T], T from 1 to " + model.maxPositions())
                                + (", found " + info.dtype() + " " + info.shape()));
            }
            LongBuffer buffer = file.map(INPUT_IDS).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
            long[] values = new long[buffer.remaining()];
            buffer.get(values);
            for (long id : values) {
                if (id < 0 || id >= model.vocabSize()) {
                    throw fault(path, "id " + id + " is outside 0.." + (model.vocabSize() - 1));
                }
            }
            return manager.create(values, new Shape(info.dimensions()));
        }
    }

    private static CheckpointException fault(Path path, String what) {
        return new CheckpointException(path + ": `" + INPUT_IDS + "`: " + what);
    }
}
