package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdamW with decoupled weight decay; parameters, moments and arithmetic float32.
 *
 * <p>Gradients are clipped a group at a time. In attention transfer a group is a layer, whose
 * problem is its own: training one layer alone takes the same steps as training all.
 *
 * @see <a href="https://arxiv.org/abs/1711.05101">Decoupled Weight Decay Regularization</a>
 */
final class AdamW implements AutoCloseable {
    private static final double EPSILON = 1e-8;

    private final TorchScript script;
    private final NDManager manager;
    private final List<ParameterGroup> groups;
    private final Map<String, NDArray> first = new LinkedHashMap<>();
    private final Map<String, NDArray> second = new LinkedHashMap<>();
    private final TrainingSettings settings;

    /**
     * @param groups names of parameters different over all groups
     */
    AdamW(
            TorchScript script,
            NDManager parent,
            List<ParameterGroup> groups,
            TrainingSettings settings) {
        this.script = script;
        this.manager = parent.newSubManager();
        this.groups = List.copyOf(groups);
        this.settings = settings;
        for (ParameterGroup group : groups) {
            group.parameters()
                    .forEach(
                            (name, parameter) -> {
                                first.put(
                                        name,
                                        manager.zeros(parameter.getShape(), DataType.FLOAT32));
                                second.put(
                                        name,
                                        manager.zeros(parameter.getShape(), DataType.FLOAT32));
                            });
        }
    }

    /** First and second moments by {@code m.NAME} and {@code v.NAME}. */
    Map<String, NDArray> moments() {
        Map<String, NDArray> all = new LinkedHashMap<>();
        first.forEach((name, moment) -> all.put("m." + name, moment));
        second.forEach((name, moment) -> all.put("v." + name, moment));
        return all;
    }

    /**
     * Empties the gradients: an earlier run over the same parameters may have ended between its
     * backward and its step.
     */
    void discardGradients() {
        try (NDManager scope = manager.newSubManager()) {
            for (ParameterGroup group : groups) {
                script.call("zero", new TorchScript.Arguments().add("a", gradients(group, scope)));
            }
        }
    }

    private static List<NDArray> gradients(ParameterGroup group, NDManager scope) {
        List<NDArray> gradients = new ArrayList<>();
        for (NDArray parameter : group.parameters().values()) {
            NDArray gradient = parameter.getGradient();
            gradient.attach(scope);
            gradients.add(gradient);
        }
        return gradients;
    }

    /**
     * Takes one step along the mean of the accumulated gradients and empties them.
     *
     * @param step 0-based
     * @return largest gradient norm of a group, before clipping
     */
    float step(long step, double learningRate) {
        double beta1 = settings.betas().get(0);
        double beta2 = settings.betas().get(1);
        float[] hyper = {
            (float) learningRate,
            (float) beta1,
            (float) beta2,
            (float) EPSILON,
            (float) settings.weightDecay(),
            (float) (1 - Math.pow(beta1, step + 1.0)),
            (float) (1 - Math.pow(beta2, step + 1.0)),
            (float) settings.maxGradNorm(),
            1f / settings.gradientAccumulationSteps()
        };
        float largest = 0;
        try (NDManager scope = manager.newSubManager()) {
            NDArray h = scope.create(hyper).toDevice(Device.cpu(), false);
            h.attach(scope);
            for (ParameterGroup group : groups) {
                NDList norm =
                        script.call(
                                "adamw",
                                new TorchScript.Arguments()
                                        .add(h)
                                        .add("params", List.copyOf(group.parameters().values()))
                                        .add("grads", gradients(group, scope))
                                        .add("m", select(first, group))
                                        .add("v", select(second, group)));
                // NaN wins, so that it is seen
                largest = Math.max(largest, norm.get(0).getFloat());
            }
        }
        return largest;
    }

    private static List<NDArray> select(Map<String, NDArray> from, ParameterGroup group) {
        return group.parameters().keySet().stream().map(from::get).toList();
    }

    @Override
    public void close() {
        manager.close();
    }
}
