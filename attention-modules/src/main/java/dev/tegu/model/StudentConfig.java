package dev.tegu.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.KeepSoftmax;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/** Makes a student's config.json of its teacher's; {@link ModelConfig#parse} reads both. */
public final class StudentConfig {
    private static final String ARCHITECTURE = "TeguForCausalLM";

    private StudentConfig() {}

    /**
     * The teacher's config with another {@code model_type} and a {@code linear_attention} block;
     * every other key stays as it is.
     *
     * @param teacher config.json of a model with softmax attention; not changed
     * @param source its name, for messages
     * @throws CheckpointException if this is a student already, or no model that Tegu knows
     * @throws InvalidValueException if {@code keep_softmax} names a layer that does not exist, or
     *     the switches do not fit the sizes
     */
    public static ObjectNode of(ObjectNode teacher, String source, AttentionSpec spec) {
        if (teacher.has(ModelConfig.LINEAR_ATTENTION)) {
            throw new CheckpointException(
                    source
                            + (": `" + ModelConfig.LINEAR_ATTENTION + "`: this model is a student")
                            + " already; convert the teacher that it was made from");
        }
        ModelConfig base = ModelConfig.parse(teacher, source);
        spec.check(base.shape());
        // A fraction becomes the layers it means here, so that the file says it by itself.
        List<Integer> kept = spec.keepSoftmax().of(base.numLayers());
        AttentionSpec resolved = spec.withKeepSoftmax(KeepSoftmax.layers(kept));
        ObjectNode config = teacher.deepCopy();
        config.put("model_type", ModelConfig.STUDENT_TYPE);
        config.putArray("architectures").add(ARCHITECTURE);
        // It names Python classes that would run the teacher's attention.
        config.remove("auto_map");
        ObjectNode block = StrictJson.object();
        block.put("version", ModelConfig.FORMAT_VERSION);
        block.put("base_model_type", base.architecture().modelType());
        ObjectNode switches = new ObjectMapper().valueToTree(ConfigBinder.toMap(resolved));
        block.setAll(switches);
        config.set(ModelConfig.LINEAR_ATTENTION, block);
        return config;
    }
}
