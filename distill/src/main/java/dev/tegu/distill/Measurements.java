package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.distill.schedule.Plateau;
import dev.tegu.distill.schedule.Scheduler;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a stage makes of its validation losses: cuts of the learning rate, and the parameters that
 * did best.
 *
 * <p>All of it is part of a checkpoint, the arrays as tensors and the numbers as text that gives
 * the same doubles back, so that a resumed run decides as one that never stopped.
 *
 * <p>Memory: a copy of the trained parameters where the best ones are kept, else none.
 */
final class Measurements implements AutoCloseable {
    private static final String BEST = "measured.best";
    private static final String PLATEAU_BEST = "measured.plateau_best";
    private static final String PLATEAU_STALLED = "measured.plateau_stalled";
    private static final String PLATEAU_SCALE = "measured.plateau_scale";

    private final TorchScript script;
    private final NDManager manager;
    private final Map<String, NDArray> parameters;
    private final Map<String, NDArray> kept = new LinkedHashMap<>();
    private final TrainingSettings settings;
    private double best = Double.POSITIVE_INFINITY;
    private Plateau plateau;

    /**
     * @param parameters what is trained, by name
     */
    Measurements(
            TorchScript script,
            NDManager parent,
            Map<String, NDArray> parameters,
            TrainingSettings settings) {
        this.script = script;
        this.manager = parent.newSubManager();
        this.parameters = parameters;
        this.settings = settings;
        this.plateau =
                Plateau.start(
                        settings.plateauFactor(),
                        settings.plateauPatience(),
                        settings.minLrRatio());
        if (settings.keepBest()) {
            parameters.forEach(
                    (name, parameter) -> {
                        kept.put(name, manager.zeros(parameter.getShape()));
                        copy(parameter, kept.get(name));
                    });
        }
    }

    /** The kept parameters by {@code best.NAME}, for the checkpoint; empty if none are kept. */
    Map<String, NDArray> arrays() {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        kept.forEach((name, array) -> arrays.put("best." + name, array));
        return arrays;
    }

    /** The numbers, for the checkpoint; empty where nothing depends on them. */
    Map<String, String> facts() {
        Map<String, String> facts = new TreeMap<>();
        if (settings.keepBest()) {
            facts.put(BEST, String.valueOf(best));
        }
        if (settings.scheduler() == Scheduler.PLATEAU) {
            facts.put(PLATEAU_BEST, String.valueOf(plateau.best()));
            facts.put(PLATEAU_STALLED, String.valueOf(plateau.stalled()));
            facts.put(PLATEAU_SCALE, String.valueOf(plateau.scale()));
        }
        return facts;
    }

    /** Takes up the numbers of a checkpoint with the same settings. */
    void restore(Map<String, String> facts) {
        if (settings.keepBest()) {
            best = Double.parseDouble(facts.get(BEST));
        }
        if (settings.scheduler() == Scheduler.PLATEAU) {
            plateau =
                    new Plateau(
                            plateau.factor(),
                            plateau.patience(),
                            plateau.floor(),
                            Double.parseDouble(facts.get(PLATEAU_BEST)),
                            Integer.parseInt(facts.get(PLATEAU_STALLED)),
                            Double.parseDouble(facts.get(PLATEAU_SCALE)));
        }
    }

    /** After a measurement of the parameters as they are. */
    void measured(double loss) {
        plateau = plateau.after(loss);
        if (loss < best) {
            best = loss;
            kept.forEach((name, array) -> copy(parameters.get(name), array));
        }
    }

    /** The rate of the next step, of what the schedule has for it. */
    double rate(double scheduled) {
        return settings.scheduler() == Scheduler.PLATEAU ? scheduled * plateau.scale() : scheduled;
    }

    /** Gives the parameters their best values back, where those are kept. */
    void recallBest() {
        kept.forEach((name, array) -> copy(array, parameters.get(name)));
    }

    private void copy(NDArray source, NDArray target) {
        script.call("copy", new TorchScript.Arguments().add(source).add(target));
    }

    @Override
    public void close() {
        manager.close();
    }
}
