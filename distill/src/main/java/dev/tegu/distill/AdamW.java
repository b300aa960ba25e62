package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.tegu.engine.Gradients;
import dev.tegu.engine.Numbers;
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
 * <p>Nothing waits for a GPU: norms, clipping and the decision whether a step may change anything
 * stay on the device. Small parameters are stepped together, in one row of numbers, so that a step
 * of many adapters takes few launches; memory O(largest parameter) more.
 *
 * @see <a href="https://arxiv.org/abs/1711.05101">Decoupled Weight Decay Regularization</a>
 */
final class AdamW implements AutoCloseable {
    private static final double EPSILON = 1e-8;

    /** Numbers that are stepped together at most, but for larger parameters, which go alone. */
    private static final long ROW = 1 << 20;

    private final TorchScript script;
    private final NDManager manager;
    private final List<ParameterGroup> groups;
    private final List<List<Row>> rows = new ArrayList<>();
    private final Map<String, NDArray> first = new LinkedHashMap<>();
    private final Map<String, NDArray> second = new LinkedHashMap<>();
    private final TrainingSettings settings;

    /** Parameters of a group that have one learning rate. */
    private record Row(double learningRate, List<String> names) {}

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
            rows.add(rows(group));
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

    private List<Row> rows(ParameterGroup group) {
        List<Row> all = new ArrayList<>();
        Map<Double, Row> open = new LinkedHashMap<>();
        Map<Double, Long> sizes = new LinkedHashMap<>();
        group.parameters()
                .forEach(
                        (name, parameter) -> {
                            double rate = settings.learningRateOf(name);
                            long size = sizes.getOrDefault(rate, 0L) + parameter.size();
                            if (!open.containsKey(rate) || size > ROW) {
                                open.put(rate, new Row(rate, new ArrayList<>()));
                                all.add(open.get(rate));
                                size = parameter.size();
                            }
                            open.get(rate).names().add(name);
                            sizes.put(rate, size);
                        });
        return all;
    }

    /** First and second moments by {@code m.NAME} and {@code v.NAME}. */
    Map<String, NDArray> moments() {
        Map<String, NDArray> all = new LinkedHashMap<>();
        first.forEach((name, moment) -> all.put("m." + name, moment));
        second.forEach((name, moment) -> all.put("v." + name, moment));
        return all;
    }

    /**
     * Norm of each group's mean gradient before clipping. The gradients stay, so a step that would
     * do harm can be left out.
     *
     * @param owner of the result
     * @param lossScale what the losses were multiplied by
     * @return float32 [groups], in their order
     */
    NDArray norms(NDManager owner, float lossScale) {
        try (NDManager scope = owner.newSubManager()) {
            List<NDArray> gradients = new ArrayList<>();
            double[] numbers = new double[groups.size() + 1];
            numbers[0] = 1.0 / (settings.gradientAccumulationSteps() * (double) lossScale);
            for (int i = 0; i < groups.size(); i++) {
                gradients.addAll(gradients(groups.get(i).parameters().values(), scope));
                numbers[i + 1] = groups.get(i).parameters().size();
            }
            return scope.ret(norms(numbers, gradients, scope));
        }
    }

    private NDArray norms(double[] numbers, List<NDArray> gradients, NDManager scope) {
        NDList out =
                script.call(
                        "norms",
                        new TorchScript.Arguments()
                                .add(Numbers.onCpu(scope, numbers))
                                .add("grads", gradients));
        return out.get(0);
    }

    /**
     * Empties the gradients: an earlier run over the same parameters may have ended between its
     * backward and its step, and a step may be left out.
     */
    void discardGradients() {
        try (NDManager scope = manager.newSubManager()) {
            List<NDArray> gradients = new ArrayList<>();
            groups.forEach(g -> gradients.addAll(gradients(g.parameters().values(), scope)));
            script.call("zero", new TorchScript.Arguments().add("a", gradients)).close();
        }
    }

    private static List<NDArray> gradients(Iterable<NDArray> parameters, NDManager scope) {
        List<NDArray> gradients = new ArrayList<>();
        for (NDArray parameter : parameters) {
            gradients.add(Gradients.sum(parameter, scope));
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
                                    List<NDArray> gradient = gradients(List.of(parameter), scope);
                                    double[] numbers = {1, 1};
                                    NDArray norm = norms(numbers, gradient, scope);
                                    if (!Float.isFinite(norm.toFloatArray()[0])) {
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
     * @param norms of {@link #norms}
     * @param live [] float32: 1, or 0, and neither parameters nor moments change, whatever the
     *     gradients are
     * @param lossScale what the losses were multiplied by
     */
    void step(int group, long update, double rate, NDArray norms, NDArray live, float lossScale) {
        Map<String, NDArray> parameters = groups.get(group).parameters();
        double beta1 = settings.betas().get(0);
        double beta2 = settings.betas().get(1);
        for (Row row : rows.get(group)) {
            try (NDManager scope = manager.newSubManager()) {
                NDArray numbers =
                        Numbers.onCpu(
                                scope,
                                beta1,
                                beta2,
                                EPSILON,
                                settings.weightDecay(),
                                1 - Math.pow(beta1, update + 1.0),
                                1 - Math.pow(beta2, update + 1.0),
                                1.0 / (settings.gradientAccumulationSteps() * (double) lossScale),
                                rate * row.learningRate(),
                                settings.maxGradNorm(),
                                group);
                List<NDArray> chosen = row.names().stream().map(parameters::get).toList();
                script.call(
                        "adamw",
                        new TorchScript.Arguments()
                                .add(numbers)
                                .add(norms)
                                .add(live)
                                .add("params", chosen)
                                .add("grads", gradients(chosen, scope))
                                .add("m", row.names().stream().map(first::get).toList())
                                .add("v", row.names().stream().map(second::get).toList()));
            }
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
