package dev.tegu.lora;

import ai.djl.Device;
import dev.tegu.attention.LinearAttention;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.MemoryType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;

/** Models with whatever stands beside them. */
public final class AdaptedModels {
    private AdaptedModels() {}

    /**
     * Loads a teacher, a student or an export, with its adapters if the folder has them.
     *
     * @return to be closed by the caller
     * @throws dev.tegu.checkpoint.CheckpointException if the folder holds no whole model, or the
     *     adapters are not the model's
     */
    public static DecoderModel load(Path dir, Device device) throws IOException {
        return load(dir, device, Set.of());
    }

    /**
     * The same without some branches of the linearized attention.
     *
     * @see DecoderModel#load(Path, Device, Set)
     */
    public static DecoderModel load(Path dir, Device device, Set<LinearAttention.Branch> ablated)
            throws IOException {
        return load(dir, device, ablated, MemoryType.FLOAT32);
    }

    /** The same with frozen weights of a type; adapters are float32 with any. */
    public static DecoderModel load(
            Path dir, Device device, Set<LinearAttention.Branch> ablated, MemoryType type)
            throws IOException {
        DecoderModel model = DecoderModel.load(dir, device, ablated, type);
        try {
            if (PeftDirectory.isIn(dir)) {
                LoraAdapters.load(model, dir);
            }
            return model;
        } catch (IOException | RuntimeException e) {
            model.close();
            throw e;
        }
    }
}
