package dev.tegu.checkpoint;

import dev.tegu.checkpoint.pickle.TorchWeights;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds the weight files of a model directory, opens them and checks them against their index. */
final class WeightFiles {

    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    /** The forms that weights come in; of several in one directory the first is read. */
    private static final List<Form> FORMS =
            List.of(
                    new Form(SINGLE, ".safetensors", SafetensorsFile::open),
                    new Form("pytorch_model.bin", ".bin", TorchWeights::open));

    /**
     * A form of weights.
     *
     * @param single name of the file that holds them all; the index of several adds {@code
     *     .index.json}
     * @param extension of every shard
     */
    private record Form(String single, String extension, Opener opener) {
        String index() {
            return single + ".index.json";
        }
    }

    /** Opens one weight file. */
    @FunctionalInterface
    private interface Opener {
        WeightFile open(Path file) throws IOException;
    }

    /** How many faults of one kind a message names before it says how many more there are. */
    private static final int NAMED_FAULTS = 3;

    private WeightFiles() {}

    /**
     * Opens every weight file.
     *
     * @return open file of each tensor, by tensor name; the caller closes the files
     */
    static SortedMap<String, WeightFile> open(Path dir, List<WeightFile> opened)
            throws IOException {
        for (Form form : FORMS) {
            if (isThere(dir.resolve(form.single))) {
                SortedMap<String, WeightFile> owners = new TreeMap<>();
                take(dir, form.opener.open(dir.resolve(form.single)), opened, owners);
                return owners;
            }
            if (isThere(dir.resolve(form.index()))) {
                return openShards(dir, form, opened);
            }
        }
        throw noWeights(dir);
    }

    /** Whether there is something of this name; a link to nothing is refused when it is opened. */
    private static boolean isThere(Path path) throws IOException {
        return Files.isSymbolicLink(path) || Durable.exists(path);
    }

    /** Names of the indexes that may stand beside the weights. */
    static List<String> indexes() {
        return FORMS.stream().map(Form::index).toList();
    }

    private static SortedMap<String, WeightFile> openShards(
            Path dir, Form form, List<WeightFile> opened) throws IOException {
        SortedMap<String, String> index =
                ShardIndex.read(dir.resolve(form.index()), form.extension);
        SortedSet<String> shards = new TreeSet<>(index.values());
        List<String> missing = new ArrayList<>();
        for (String shard : shards) {
            if (!isThere(dir.resolve(shard))) {
                missing.add("`" + shard + "`");
            }
        }
        if (!missing.isEmpty()) {
            throw new CheckpointException(
                    dir
                            + (": shard " + firstOf(missing) + " named by " + form.index())
                            + " is missing; the download may be incomplete: fetch it again");
        }
        SortedMap<String, WeightFile> owners = new TreeMap<>();
        for (String shard : shards) {
            take(dir, form.opener.open(dir.resolve(shard)), opened, owners);
        }
        compare(dir, form.index(), index, owners);
        return owners;
    }

    private static void take(
            Path dir,
            WeightFile file,
            List<WeightFile> opened,
            SortedMap<String, WeightFile> owners) {
        opened.add(file);
        for (String name : file.tensors().keySet()) {
            WeightFile other = owners.put(name, file);
            if (other != null) {
                throw new CheckpointException(
                        dir
                                + (": tensor `" + name + "` is in two shards, ")
                                + (other.path().getFileName() + " and ")
                                + file.path().getFileName()
                                + "; the directory mixes two checkpoints: fetch it again");
            }
        }
    }

    private static void compare(
            Path dir,
            String indexName,
            SortedMap<String, String> index,
            SortedMap<String, WeightFile> owners) {
        List<String> faults = new ArrayList<>();
        index.forEach(
                (name, shard) -> {
                    WeightFile owner = owners.get(name);
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
                            + (": " + indexName + " and the shards disagree: " + firstOf(faults))
                            + "; the directory mixes two checkpoints: fetch it again");
        }
    }

    private static String firstOf(List<String> faults) {
        String named = String.join(", ", faults.subList(0, Math.min(NAMED_FAULTS, faults.size())));
        int more = faults.size() - NAMED_FAULTS;
        return more > 0 ? named + " and " + more + " more" : named;
    }

    private static CheckpointException noWeights(Path dir) throws IOException {
        String names =
                FORMS.stream()
                        .flatMap(form -> Stream.of(form.single, form.index()))
                        .collect(Collectors.joining(", "));
        return new CheckpointException(
                dir
                        + (": no weights: none of " + names)
                        + ("; found " + describe(list(dir)))
                        + "; fetch the weights into this folder");
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
