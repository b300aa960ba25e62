package dev.tegu.distill.blocks;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.config.ConfigBinder;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/** Puts trained blocks together to a student's directory. */
public final class BlockStitching {
    private final Path teacher;
    private final List<Path> paths;
    private final List<String> faults = new ArrayList<>();
    private final Map<String, BlockFile> blocks = new LinkedHashMap<>();

    private BlockStitching(Path teacher, List<Path> paths) {
        this.teacher = teacher;
        this.paths = paths;
    }

    /** The block files of a folder, by rising layers. */
    public static List<Path> blocksIn(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(
                            path ->
                                    path.getFileName()
                                            .toString()
                                            .matches("layers-[0-9]+-[0-9]+\\.safetensors"))
                    .sorted()
                    .toList();
        }
    }

    /**
     * Writes the student that the blocks make of their teacher, whole or not at all.
     *
     * @param teacher the base model that the blocks were trained on
     * @param blocks block files, in any order
     * @param output does not exist, or is an empty folder
     * @throws CheckpointException if the blocks do not make one student; the message has every
     *     fault: a layer in no block or in two, a file that is damaged or no block, a block of
     *     another number of layers, another method or another base model, tensors that are not the
     *     method's
     */
    public static void stitch(Path teacher, List<Path> blocks, Path output) throws IOException {
        BlockStitching stitching = new BlockStitching(teacher, blocks);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            stitching.open();
            stitching.check(files);
            stitching.refuseFaults();
            stitching.write(files, output);
        } finally {
            stitching.close();
        }
    }

    private void open() throws IOException {
        for (Path path : paths) {
            try {
                BlockFile replaced = blocks.put(path.toString(), BlockFile.open(path));
                if (replaced != null) {
                    replaced.close();
                    faults.add(path.getFileName() + ": named twice");
                }
            } catch (CheckpointException e) {
                faults.add(e.getMessage());
            }
        }
    }

    private void check(HuggingFaceDirectory files) throws IOException {
        ModelConfig config =
                ModelConfig.parse(files.config(), teacher.resolve("config.json").toString());
        String base = BlockFile.digest(files);
        Map<Integer, List<String>> owners = new TreeMap<>();
        for (Map.Entry<String, BlockFile> entry : blocks.entrySet()) {
            String name = Path.of(entry.getKey()).getFileName().toString();
            BlockFile.Header header = entry.getValue().header();
            if (!header.baseModel().equals(base)) {
                faults.add(
                        (name + ": was trained on another base model than " + teacher)
                                + (" (sha256 " + header.baseModel() + ", not " + base + ")"));
            }
            if (header.numLayers() != config.numLayers()) {
                faults.add(
                        (name + ": is of a model of " + header.numLayers() + " layers, the")
                                + (" teacher has " + config.numLayers()));
                continue;
            }
            if (header.fromLayer() >= header.toLayer() || header.toLayer() > config.numLayers()) {
                faults.add(
                        (name + ": layers " + header.fromLayer() + " to " + header.toLayer())
                                + " are no range of the model's");
                continue;
            }
            for (int layer = header.fromLayer(); layer < header.toLayer(); layer++) {
                owners.computeIfAbsent(layer, key -> new ArrayList<>()).add(name);
            }
            if (checkMethod(name, header.method())) {
                checkTensors(name, entry.getValue(), config);
            }
        }
        checkCoverage(owners, config.numLayers());
    }

    private void checkCoverage(Map<Integer, List<String>> owners, int numLayers) {
        int next = 0;
        for (Map.Entry<Integer, List<String>> entry : owners.entrySet()) {
            refuseGap(next, entry.getKey());
            next = entry.getKey() + 1;
            if (entry.getValue().size() > 1) {
                faults.add(
                        "layer "
                                + entry.getKey()
                                + " is in "
                                + String.join(" and ", entry.getValue()));
            }
        }
        refuseGap(next, numLayers);
    }

    private void refuseGap(int from, int to) {
        if (to == from + 1) {
            faults.add("layer " + from + " is in no block");
        } else if (to > from) {
            faults.add("layers " + from + " to " + (to - 1) + " are in no block");
        }
    }

    /** The first block's method is the student's. */
    private AttentionSpec method() {
        return blocks.values().iterator().next().header().method();
    }

    private boolean checkMethod(String name, AttentionSpec method) {
        if (method.equals(method())) {
            return true;
        }
        Map<String, Object> here = ConfigBinder.toMap(method);
        Map<String, Object> there = ConfigBinder.toMap(method());
        List<String> differences = new ArrayList<>();
        TreeSet<String> keys = new TreeSet<>(here.keySet());
        keys.addAll(there.keySet());
        for (String key : keys) {
            if (!Objects.equals(here.get(key), there.get(key))) {
                differences.add("`" + key + "` is " + here.get(key) + ", not " + there.get(key));
            }
        }
        Path first = Path.of(blocks.keySet().iterator().next()).getFileName();
        faults.add(
                name
                        + ": has another method than "
                        + first
                        + ": "
                        + String.join(", ", differences));
        return false;
    }

    private void checkTensors(String name, BlockFile block, ModelConfig teacher) {
        BlockFile.Header header = block.header();
        ModelLayout layout =
                new ModelLayout(teacher.withLinearAttention(Optional.of(header.method())));
        TreeSet<String> unexpected = new TreeSet<>(block.tensors().keySet());
        for (int layer = header.fromLayer(); layer < header.toLayer(); layer++) {
            for (ModelLayout.Entry entry : layout.parameters(layer)) {
                unexpected.remove(entry.name());
                TensorInfo found = block.tensors().get(entry.name());
                if (found == null) {
                    faults.add(name + ": `" + entry.name() + "`: missing");
                } else if (!found.shape().equals(entry.shape()) || found.dtype() != DType.F32) {
                    faults.add(
                            (name + ": `" + entry.name() + "`: expected F32 " + entry.shape())
                                    + (", found " + found.dtype() + " " + found.shape()));
                }
            }
        }
        unexpected.forEach(
                tensor ->
                        faults.add(
                                name + ": `" + tensor + "`: no parameter of the block's layers"));
    }

    private void refuseFaults() {
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    (teacher + ": the blocks do not make a student: ")
                            + String.join("; ", faults)
                            + ". Train what is missing or differs again; nothing was written.");
        }
    }

    private void write(HuggingFaceDirectory files, Path output) throws IOException {
        // All start values are replaced, so their seed does not matter.
        ModelWriter writer = ModelWriter.student(files, method(), 0);
        for (BlockFile block : blocks.values()) {
            for (String name : block.tensors().keySet()) {
                writer.tensor(name, block.source(name));
            }
        }
        writer.write(output);
    }

    private void close() throws IOException {
        for (BlockFile block : blocks.values()) {
            block.close();
        }
    }
}
