package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.engine.TorchScript;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Stage 2 on a tiny model: settings, adapters off their start, a batch, gradients. */
final class Stage2 {
    private Stage2() {}

    static LoraFinetuneSettings settings(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), LoraFinetuneSettings.class);
    }

    /** Adapters as the settings ask for them, every B moved off zero; none if they ask for none. */
    static Optional<LoraAdapters> adapters(DecoderModel model, LoraFinetuneSettings settings) {
        if (!settings.trainsAdapters()) {
            return Optional.empty();
        }
        LoraAdapters adapters = LoraAdapters.create(model, settings.adapters(), 1);
        adapters.parameters()
                .forEach((name, array) -> TinyModels.add(array, 0.05, name.hashCode()));
        return Optional.of(adapters);
    }

    static NextToken objective(DecoderModel model, String yaml) {
        LoraFinetuneSettings settings = settings(yaml);
        return NextToken.finetune(settings, model, adapters(model, settings));
    }

    /** Two rows of which the first third, as a prompt would be, and some tokens are not learnt. */
    static TrainingBatch batch(NDManager owner) {
        long[] labels = Tiny.ids(owner, 2).toLongArray();
        for (int i = 0; i < labels.length; i++) {
            if (i % Tiny.LENGTH < Tiny.LENGTH / 3 || i % 11 == 0) {
                labels[i] = -100;
            }
        }
        return TrainingBatch.of(
                Tiny.ids(owner, 2), owner.create(labels, new Shape(2, Tiny.LENGTH)));
    }

    /** Gradients of one batch by parameter; the parameters' are empty before and after. */
    static Map<String, float[]> gradients(Objective objective, StepContext context) {
        Map<String, NDArray> parameters = parameters(objective);
        Map<String, float[]> gradients = new LinkedHashMap<>();
        NDManager owner = parameters.values().iterator().next().getManager();
        parameters.values().forEach(p -> p.setRequiresGradient(true));
        try (NDManager scope = owner.newSubManager()) {
            objective.backward(batch(scope), context);
            parameters.forEach(
                    (name, p) -> {
                        try (NDArray gradient = p.getGradient()) {
                            gradients.put(name, gradient.toFloatArray());
                            gradient.subi(gradient);
                        }
                    });
        } finally {
            parameters.values().forEach(p -> p.setRequiresGradient(false));
        }
        return gradients;
    }

    static Map<String, NDArray> parameters(Objective objective) {
        return objective.groups().get(0).parameters();
    }

    static Losses loss(Objective objective) {
        NDManager owner = parameters(objective).values().iterator().next().getManager();
        try (NDManager scope = owner.newSubManager()) {
            return objective.loss(batch(scope));
        }
    }

    /** Adds a multiple of a direction to an array, in its memory. */
    static void move(NDArray array, float[] direction, double factor) {
        float[] values = array.toFloatArray();
        for (int i = 0; i < values.length; i++) {
            values[i] += (float) (factor * direction[i]);
        }
        try (TorchScript script = Scripts.training();
                NDManager scope = array.getManager().newSubManager()) {
            NDArray moved = scope.create(values, array.getShape());
            script.call("copy", new TorchScript.Arguments().add(moved).add(array));
        }
    }
}
