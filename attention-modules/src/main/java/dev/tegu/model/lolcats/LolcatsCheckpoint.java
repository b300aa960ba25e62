package dev.tegu.model.lolcats;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.pickle.TorchFile;
import dev.tegu.checkpoint.pickle.TorchTensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * One or more files of LoLCATs' trained tensors, open for reading; what stands in a later file
 * replaces what stands in an earlier one, as that program loads {@code _distill} and then {@code
 * _ft}.
 *
 * <p>Opening checks the files alone; {@link LolcatsParameters} compares them with a model.
 */
public final class LolcatsCheckpoint implements AutoCloseable {
    private final List<TorchFile> files = new ArrayList<>();
    private final SortedMap<LolcatsKey, LolcatsTensor> tensors =
            new TreeMap<>(
                    Comparator.comparingInt(LolcatsKey::layer).thenComparing(LolcatsKey::role));
    private final List<LolcatsTensor> unknown = new ArrayList<>();

    private LolcatsCheckpoint() {}

    /**
     * @param paths at least one file
     * @throws CheckpointException if a file is damaged, is something else, would run code or holds
     *     no tensor, or two names of one tensor in one file have different values
     */
    public static LolcatsCheckpoint open(List<Path> paths) throws IOException {
        if (paths.isEmpty()) {
            throw new IllegalArgumentException("no files");
        }
        LolcatsCheckpoint checkpoint = new LolcatsCheckpoint();
        try {
            for (Path path : paths) {
                TorchFile file = TorchFile.open(path);
                checkpoint.files.add(file);
                checkpoint.take(file);
            }
            return checkpoint;
        } catch (IOException | RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private void take(TorchFile file) throws IOException {
        Map<LolcatsKey, LolcatsTensor> own = new HashMap<>();
        for (Map.Entry<String, TorchTensor> entry : file.tensors().entrySet()) {
            LolcatsTensor tensor = new LolcatsTensor(file.path(), entry.getKey(), entry.getValue());
            LolcatsKey key = LolcatsKey.parse(entry.getKey()).orElse(null);
            if (key == null) {
                unknown.add(tensor);
                continue;
            }
            LolcatsTensor other = own.put(key, tensor);
            if (other != null) {
                requireSame(other, tensor);
            }
        }
        if (file.tensors().isEmpty()) {
            throw new CheckpointException(
                    file.path().getFileName()
                            + ": holds no tensors, "
                            + (file.others().isEmpty() ? "" : "only " + file.others() + ", ")
                            + "neither at the top nor under `model_state_dict`; check that this is"
                            + " a `_distill` or `_ft` file of LoLCATs");
        }
        tensors.putAll(own);
    }

    /** LoLCATs saves some parameters under two names; then both are one. */
    private static void requireSame(LolcatsTensor a, LolcatsTensor b) throws IOException {
        boolean isSame =
                a.shape().equals(b.shape())
                        && a.isFloat()
                        && b.isFloat()
                        && Arrays.equals(a.values(), b.values());
        if (!isSame) {
            throw new CheckpointException(
                    a.file().getFileName()
                            + (": `" + a.name() + "` and `" + b.name() + "` are two names of one")
                            + " parameter and differ; remove the wrong one in PyTorch and save"
                            + " again");
        }
    }

    /** Names of the files, for messages. */
    public String names() {
        return files.stream()
                .map(file -> file.path().getFileName().toString())
                .collect(Collectors.joining(", "));
    }

    /** Every tensor with a name that is known, by layer and role. */
    public SortedMap<LolcatsKey, LolcatsTensor> tensors() {
        return Collections.unmodifiableSortedMap(tensors);
    }

    /** Tensors with any other name. */
    List<LolcatsTensor> unknown() {
        return Collections.unmodifiableList(unknown);
    }

    @Override
    public void close() throws IOException {
        for (TorchFile file : files) {
            file.close();
        }
    }
}
