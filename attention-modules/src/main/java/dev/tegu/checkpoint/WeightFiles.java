package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/** Finds the weight files of a model directory, opens them and checks them against their index. */
final class WeightFiles {

    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    /** How many faults of one kind a message names before it says how many more there are. */
    private static final int NAMED_FAULTS = 3;

    private WeightFiles() {}

    /**
     * Opens every weight file.
     *
     * @return open file of each tensor, by tensor name; the caller closes the files
     */
    static SortedMap<String, SafetensorsFile> open(Path dir, List<SafetensorsFile> opened)
            throws IOException {
        SortedMap<String, SafetensorsFile> owners = new TreeMap<>();
        if (Files.exists(dir.resolve(SINGLE))) {
            SafetensorsFile file = SafetensorsFile.open(dir.resolve(SINGLE));
            opened.add(file);
            file.tensors().keySet().forEach(name -> owners.put(name, file));
            return owners;
        }
        if (!Files.exists(dir.resolve(INDEX))) {
            throw noWeights(dir);
        }
        SortedMap<String, String> index = readIndex(dir.resolve(INDEX));
        for (String shard : new TreeSet<>(index.values())) {
            if (!Files.exists(dir.resolve(shard))) {
                throw new CheckpointException(
                        dir
                                + (": shard `" + shard + "` named by " + INDEX + " is missing;")
                                + " the download may be incomplete: fetch it again");
            }
            SafetensorsFile file = SafetensorsFile.open(dir.resolve(shard));
            opened.add(file);
            for (String name : file.tensors().keySet()) {
                SafetensorsFile other = owners.put(name, file);
                if (other != null) {
                    throw new CheckpointException(
                            dir
                                    + (": tensor `" + name + "` is in two shards, ")
                                    + (other.path().getFileName() + " and " + shard)
                                    + "; the directory mixes two checkpoints: fetch it again");
                }
            }
        }
        compare(dir, index, owners);
        return owners;
    }

    private static SortedMap<String, String> readIndex(Path file) throws IOException {
        ObjectNode root = StrictJson.read(file);
        JsonNode weightMap = root.get("weight_map");
        if (!(weightMap instanceof ObjectNode map) || map.isEmpty()) {
            throw new CheckpointException(
                    INDEX + ": no `weight_map` of tensors to files; fetch the index again");
        }
        SortedMap<String, String> index = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String shard = entry.getValue().asText("");
            if (!entry.getValue().isTextual() || !isPlainName(shard)) {
                throw new CheckpointException(
                        INDEX
                                + (": tensor `" + entry.getKey() + "`: `" + shard + "` is not the")
                                + " plain name of a .safetensors file; paths are not followed");
            }
            index.put(entry.getKey(), shard);
        }
        return index;
    }

    /** Whether the name can only mean a safetensors file in the directory itself. */
    private static boolean isPlainName(String name) {
        return name.endsWith(".safetensors")
                && !name.startsWith(".")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    }

    private static void compare(
            Path dir, SortedMap<String, String> index, SortedMap<String, SafetensorsFile> owners) {
        List<String> faults = new ArrayList<>();
        index.forEach(
                (name, shard) -> {
                    SafetensorsFile owner = owners.get(name);
                    if (owner == null) {
                        faults.add("`" + name + "` is in the index and in no shard");
                    } else if (!owner.path().getFileName().toString().equals(shard)) {
                        faults.add(
                                ("`" + name + "` is in " + owner.path().getFileName())
                                        + (" where the index says " + shard));
                    }
                });
        owners.forEach(
                (name, owner) -> {
                    if (!index.containsKey(name)) {
                        String shard = owner.path().getFileName().toString();
                        faults.add("`" + name + "` is in " + shard + " and not in the index");
                    }
                });
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    dir
                            + (": " + INDEX + " and the shards disagree: " + firstOf(faults))
                            + "; the directory mixes two checkpoints: fetch it again");
        }
    }

    private static String firstOf(List<String> faults) {
        String named = String.join(", ", faults.subList(0, Math.min(NAMED_FAULTS, faults.size())));
        int more = faults.size() - NAMED_FAULTS;
        return more > 0 ? named + " and " + more + " more" : named;
    }

    private static CheckpointException noWeights(Path dir) throws IOException {
        SortedSet<String> found = list(dir);
        String what = dir + ": no weights: neither " + SINGLE + " nor " + INDEX;
        if (found.stream().anyMatch(name -> name.startsWith("pytorch_model"))) {
            return new CheckpointException(
                    what
                            + ", only PyTorch pickles; convert them with transformers:"
                            + " `model.save_pretrained(folder, safe_serialization=True)`");
        }
        return new CheckpointException(
                what + "; found " + describe(found) + "; fetch the weights into this folder");
    }

    static SortedSet<String> list(Path dir) throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            SortedSet<String> names = new TreeSet<>();
            files.forEach(file -> names.add(file.getFileName().toString()));
            return names;
        }
    }

    /** The first names of a folder, for a message. */
    static String describe(SortedSet<String> names) {
        int shown = 6;
        if (names.isEmpty()) {
            return "nothing";
        }
        String first = String.join(", ", names.stream().limit(shown).toList());
        return names.size() > shown ? first + " and " + (names.size() - shown) + " more" : first;
    }
}
