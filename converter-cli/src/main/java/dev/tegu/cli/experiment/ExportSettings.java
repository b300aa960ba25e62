package dev.tegu.cli.experiment;

import dev.tegu.config.Default;

/**
 * The block {@code export}.
 *
 * @param format what is written
 * @param dtype type of the weights in the files
 */
public record ExportSettings(@Default("hf") Format format, @Default("float32") WeightType dtype) {

    /** What an export holds. */
    public enum Format {
        /** A model directory of HuggingFace's layout, adapters merged. */
        HF,
        /** The same without the adapters, for PEFT to load them onto. */
        BASE,
        /** The adapters alone, in PEFT's files. */
        PEFT
    }

    /** Number format of exported weights, by PyTorch's names. */
    public enum WeightType {
        FLOAT32,
        FLOAT16,
        BFLOAT16
    }
}
