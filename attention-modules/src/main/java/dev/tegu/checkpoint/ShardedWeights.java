package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Writes a model's weights as transformers names them: {@code model.safetensors}, or {@code
 * model-00001-of-0000N.safetensors} and {@code model.safetensors.index.json}.
 */
public final class ShardedWeights {

    /** The limit of a shard in transformers, 5 GB. */
    public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

    private ShardedWeights() {}

    /**
     * Fills shards in the order of the tensors' names; a tensor larger than a shard has one alone.
     *
     * @param maxShardBytes bytes of tensors in one file, at least 1
     * @throws CheckpointException if a source gives the wrong number of bytes
     */
    public static void write(
            StagedDirectory directory, Map<String, TensorSource> tensors, long maxShardBytes)
            throws IOException {
        if (maxShardBytes < 1) {
            throw new IllegalArgumentException("maxShardBytes must be at least 1");
        }
        List<SortedMap<String, TensorSource>> shards = split(tensors, maxShardBytes);
        if (shards.size() == 1) {
            directory.write(WeightFiles.SINGLE, shards.get(0));
            return;
        }
        SortedMap<String, String> weightMap = new TreeMap<>();
        for (int i = 0; i < shards.size(); i++) {
            String name =
                    String.format(
                            Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
            directory.write(name, shards.get(i));
            shards.get(i).keySet().forEach(tensor -> weightMap.put(tensor, name));
        }
        ObjectNode index = StrictJson.object();
        index.putObject("metadata")
                .put(
                        "total_size",
                        tensors.values().stream().mapToLong(TensorSource::byteLength).sum());
        ObjectNode map = index.putObject("weight_map");
        weightMap.forEach(map::put);
        Files.write(directory.path(WeightFiles.INDEX), StrictJson.toBytes(index));
    }

    private static List<SortedMap<String, TensorSource>> split(
            Map<String, TensorSource> tensors, long maxShardBytes) {
        List<SortedMap<String, TensorSource>> shards = new ArrayList<>();
        SortedMap<String, TensorSource> shard = new TreeMap<>();
        long bytes = 0;
        for (Map.Entry<String, TensorSource> tensor : new TreeMap<>(tensors).entrySet()) {
            long size = tensor.getValue().byteLength();
            if (!shard.isEmpty() && size > maxShardBytes - bytes) {
                shards.add(shard);
                shard = new TreeMap<>();
                bytes = 0;
            }
            shard.put(tensor.getKey(), tensor.getValue());
            bytes += size;
        }
        shards.add(shard);
        return shards;
    }
}
