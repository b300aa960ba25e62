package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import dev.tegu.config.InvalidValueException;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Chooses a model's parameters by {@link ParameterKind}. */
final class TrainedParameters {
    private TrainedParameters() {}

    /**
     * @param adapters the model's, if it has some
     * @param kinds words of the kinds; a kind that the method does not have adds nothing
     * @return parameters by checkpoint name
     * @throws InvalidValueException at {@code trains} if there is no parameter of any of the kinds
     */
    static Map<String, NDArray> of(
            DecoderModel model, Optional<LoraAdapters> adapters, List<String> kinds) {
        Map<String, NDArray> chosen = everything(model);
        adapters.ifPresent(a -> chosen.putAll(a.parameters()));
        chosen.keySet().removeIf(name -> !kinds.contains(ParameterKind.of(name).word()));
        if (chosen.isEmpty()) {
            throw nothing(model.config(), kinds);
        }
        return chosen;
    }

    /** The check of {@link #of} before the model and its adapters are made. */
    static void check(ModelConfig model, List<String> kinds) {
        if (!kinds.contains(ParameterKind.LORA.word())
                && kindsOf(model).stream().noneMatch(kinds::contains)) {
            throw nothing(model, kinds);
        }
    }

    private static List<String> kindsOf(ModelConfig model) {
        return new ModelLayout(model)
                .all().stream()
                        .map(entry -> ParameterKind.of(entry.name()).word())
                        .distinct()
                        .sorted()
                        .toList();
    }

    private static InvalidValueException nothing(ModelConfig model, List<String> kinds) {
        return new InvalidValueException(
                "trains",
                "the method has no parameters of the kind "
                        + String.join(", ", kinds)
                        + "; it has "
                        + String.join(", ", kindsOf(model))
                        + ", and lora where adapters are made");
    }

    /** Every weight and every new parameter by {@link ModelLayout.Entry#key}, a tied head once. */
    static Map<String, NDArray> everything(DecoderModel model) {
        ModelLayout layout = new ModelLayout(model.config());
        List<NDArray> ends = model.ends();
        Map<String, NDArray> all = new LinkedHashMap<>();
        all.put(layout.embedding().name(), ends.get(0));
        all.put(layout.norm().name(), ends.get(1));
        if (!model.config().tiesEmbeddings()) {
            all.put(layout.head().name(), ends.get(2));
        }
        layout.moreEnds()
                .forEach(entry -> all.put(entry.key(), model.moreEnds().get(entry.role())));
        for (int i = 0; i < model.layers().size(); i++) {
            DecoderLayer layer = model.layers().get(i);
            layout.layer(i)
                    .forEach(entry -> all.put(entry.key(), layer.weights().get(entry.role())));
            layout.parameters(i)
                    .forEach(entry -> all.put(entry.name(), layer.parameters().get(entry.role())));
        }
        return all;
    }
}
