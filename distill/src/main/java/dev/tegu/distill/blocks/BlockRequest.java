package dev.tegu.distill.blocks;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.AttentionTransferSettings;
import dev.tegu.distill.data.DataSettings;
import java.util.ArrayList;
import java.util.List;

/**
 * All that a process needs to train one block of layers by attention transfer. As text it is YAML
 * with a key a component, which {@link #parse} reads back to an equal request.
 *
 * @param teacher directory of the pretrained model
 * @param method the new attention, the same for all blocks of a model
 * @param fromLayer first layer of the block, 0 or more
 * @param toLayer layer after the last of the block
 * @param data what is read; no path in it is taken relative to anything but the process's directory
 * @param attentionTransfer how the block is trained
 * @param seed of start values and the order of the data
 * @param device {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:N}
 */
public record BlockRequest(
        String teacher,
        AttentionSpec method,
        int fromLayer,
        int toLayer,
        DataSettings data,
        AttentionTransferSettings attentionTransfer,
        @Default("0") long seed,
        @Default("auto") String device) {

    /**
     * @throws InvalidValueException if the block is empty or starts under 0, there is no teacher,
     *     or nothing to measure where the settings ask for it
     */
    public BlockRequest {
        if (teacher.isBlank()) {
            throw new InvalidValueException("teacher", "expected a path, found blank text");
        }
        if (fromLayer < 0) {
            throw new InvalidValueException("from_layer", "expected 0 or more, found " + fromLayer);
        }
        if (toLayer <= fromLayer) {
            throw new InvalidValueException(
                    "to_layer",
                    "expected a layer above `from_layer` " + fromLayer + ", found " + toLayer);
        }
        if (!attentionTransfer.layers().isEmpty()) {
            throw new InvalidValueException(
                    "attention_transfer.layers",
                    "a block is trained whole; leave it out, `from_layer` and `to_layer` say which"
                            + " layers");
        }
        attentionTransfer.training().checkValidation("attention_transfer", data.hasValidation());
    }

    /**
     * @param text what {@link #toYaml} gives, or JSON with the same keys
     * @param sourceName what problems call the text
     * @throws dev.tegu.config.ConfigException with every fault of the text
     */
    public static BlockRequest parse(String text, String sourceName) {
        return ConfigBinder.bind(ConfigNode.parse(text, sourceName), BlockRequest.class);
    }

    /** This request as text. */
    public String toYaml() {
        return ConfigBinder.toNode(this).toYaml();
    }

    /** This request for other layers. */
    public BlockRequest withLayers(int from, int to) {
        return new BlockRequest(teacher, method, from, to, data, attentionTransfer, seed, device);
    }

    /**
     * This request for each block of a model in turn; the last block is shorter where the length
     * does not divide the number of layers.
     *
     * @param numLayers layers of the model
     * @param length layers of a block, at least 1
     */
    public List<BlockRequest> split(int numLayers, int length) {
        if (numLayers < 1 || length < 1) {
            throw new IllegalArgumentException(
                    "expected layers and a length of 1 or more, found "
                            + numLayers
                            + " and "
                            + length);
        }
        List<BlockRequest> blocks = new ArrayList<>();
        for (int from = 0; from < numLayers; from += length) {
            blocks.add(withLayers(from, Math.min(numLayers, from + length)));
        }
        return blocks;
    }
}
