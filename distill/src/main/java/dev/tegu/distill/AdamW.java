package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
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
     * Norm of each group's mean gradient before clipping, in the order of the groups. The gradients
     * stay, so a step that would do harm can be left out.
     *
     * @param lossScale what the losses were multiplied by
     */
    float[] norms(float lossScale) {
        try (NDManager scope = manager.newSubManager()) {
            List<NDArray> norms = new ArrayList<>();
            for (ParameterGroup group : groups) {
                norms.add(
                        script.call(
                                        "gradient_norm",
                                        new TorchScript.Arguments()
                                                .add("grads", gradients(group, scope)))
                                .get(0));
            }
            // read together: a GPU is waited for once
            NDArray all = script.call("stack", new TorchScript.Arguments().add("a", norms)).get(0);
            float[] values = all.toFloatArray();
            for (int i = 0; i < values.length; i++) {
                values[i] /= settings.gradientAccumulationSteps() * lossScale;
            }
            return values;
        }
    }

    /**
     * Empties the gradients: an earlier run over the same parameters may have ended between its
     * backward and its step, and a step may be left out.
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

    /** Names of parameters whose gradient holds a number that is not finite. */
    List<String> nonFinite() {
        List<String> names = new ArrayList<>();
        for (ParameterGroup group : groups) {
            group.parameters()
                    .forEach(
                            (name, parameter) -> {
                                try (NDManager scope = manager.newSubManager()) {
                                    NDArray gradient = parameter.getGradient();
                                    gradient.attach(scope);
                                    NDArray norm =
                                            script.call(
                                                            "gradient_norm",
                                                            new TorchScript.Arguments()
                                                                    .add(
                                                                            "grads",
                                                                            List.of(gradient)))
                                                    .get(0);
                                    if (!Float.isFinite(norm.getFloat())) {
                                        names.add(name);
                                    }
                                }
                            });
        }
        return names;
    }

    /**
     * Takes one step of one group along the mean of its accumulated gradients and empties them.
     *
     * @param group number of the group
     * @param update number of the group's steps before this one
     * @param rate what each parameter's peak learning rate is multiplied by
     * @param norm the group's, of {@link #norms}
     * @param lossScale what the losses were multiplied by
     */
    void step(int group, long update, double rate, float norm, float lossScale) {
        ParameterGroup g = groups.get(group);
        double beta1 = settings.betas().get(0);
        double beta2 = settings.betas().get(1);
        float[] hyper = {
            (float) beta1,
            (float) beta2,
            (float) EPSILON,
            (float) settings.weightDecay(),
            (float) (1 - Math.pow(beta1, update + 1.0)),
            (float) (1 - Math.pow(beta2, update + 1.0)),
            1f / (settings.gradientAccumulationSteps() * lossScale),
            clipping(norm)
        };
        double[] rates =
                g.parameters().keySet().stream()
                        .mapToDouble(name -> rate * settings.learningRateOf(name))
                        .toArray();
        try (NDManager scope = manager.newSubManager()) {
            script.call(
                    "adamw",
                    new TorchScript.Arguments()
                            .add(onCpu(scope.create(hyper), scope))
                            .add(onCpu(scope.create(rates), scope))
                            .add("params", List.copyOf(g.parameters().values()))
                            .add("grads", gradients(g, scope))
                            .add("m", select(first, g))
                            .add("v", select(second, g)));
        }
    }

    /** PyTorch's {@code clip_grad_norm_}: what the gradient is multiplied by. */
    private float clipping(float norm) {
        double most = settings.maxGradNorm();
        return most > 0 ? (float) Math.min(1, most / (norm + 1e-6)) : 1;
    }

    /** Numbers that the script reads one by one, without waiting for a GPU. */
    private static NDArray onCpu(NDArray array, NDManager scope) {
        NDArray moved = array.toDevice(Device.cpu(), false);
        moved.attach(scope);
        return moved;
    }

    private static List<NDArray> select(Map<String, NDArray> from, ParameterGroup group) {
        return group.parameters().keySet().stream().map(from::get).toList();
    }

    @Override
    public void close() {
        manager.close();
    }
}
