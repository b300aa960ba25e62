package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A file whose tensors lack the name of the module that they stand in, as those of the first GPT-2
 * uploads do: {@code h.0.ln_1.weight} for {@code transformer.h.0.ln_1.weight}. Read with it.
 */
final class UnprefixedNames implements WeightFile {
    private static final String GPT2 = "gpt2";
    private static final String GPT2_PREFIX = "transformer.";

    /** The embedding, which every model has. */
    private static final String GPT2_EMBEDDING = "wte.weight";

    /** Stands outside of the module in the files that have it. */
    private static final String HEAD = "lm_head.";

    private final WeightFile file;
    private final Map<String, String> own = new HashMap<>();
    private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();

    private UnprefixedNames(WeightFile file) {
        this.file = file;
        file.tensors()
                .forEach(
                        (name, info) -> {
                            String full = name.startsWith(HEAD) ? name : GPT2_PREFIX + name;
                            own.put(full, name);
                            tensors.put(
                                    full,
                                    new TensorInfo(
                                            full,
                                            info.dtype(),
                                            info.shape(),
                                            info.offset(),
                                            info.byteLength()));
                        });
    }

    /**
     * @param owners file of each tensor
     * @return the same with whole names, if they lack what the model's type asks for
     */
    static SortedMap<String, WeightFile> completed(
            ObjectNode config, SortedMap<String, WeightFile> owners) {
        boolean lacks =
                config.path("model_type").asText().equals(GPT2)
                        && owners.containsKey(GPT2_EMBEDDING)
                        && !owners.containsKey(GPT2_PREFIX + GPT2_EMBEDDING);
        if (!lacks) {
            return owners;
        }
        SortedMap<String, WeightFile> completed = new TreeMap<>();
        for (WeightFile file : Map.copyOf(owners).values().stream().distinct().toList()) {
            UnprefixedNames named = new UnprefixedNames(file);
            named.tensors().keySet().forEach(name -> completed.put(name, named));
        }
        return completed;
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public SortedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSortedMap(tensors);
    }

    @Override
    public ByteBuffer map(String name, long fromByte, int length) throws IOException {
        return file.map(ownName(name), fromByte, length);
    }

    @Override
    public void writeTo(String name, WritableByteChannel channel) throws IOException {
        file.writeTo(ownName(name), channel);
    }

    private String ownName(String name) {
        info(name);
        return own.get(name);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
