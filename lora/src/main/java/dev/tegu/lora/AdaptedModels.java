package dev.tegu.lora;

import ai.djl.Device;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.nio.file.Path;

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
        DecoderModel model = DecoderModel.load(dir, device);
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
