package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.distill.schedule.Plateau;
import dev.tegu.distill.schedule.Scheduler;
import dev.tegu.distill.schedule.Stall;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a stage makes of its validation losses: cuts of the learning rate, the parameters that did
 * best, and the end of training where nothing is won any more.
 *
 * <p>Each group of parameters goes by the part of the losses that has its name, and by the total
 * where there is none: layers that are problems of their own do not decide for each other.
 *
 * <p>All of it is part of a checkpoint, the arrays as tensors and the numbers as text that gives
 * the same doubles back, so that a resumed run decides as one that never stopped.
 *
 * <p>Memory: a copy of the trained parameters where the best ones are kept, else none.
 */
final class Measurements implements AutoCloseable {
    private final TorchScript script;
    private final NDManager manager;
    private final List<ParameterGroup> groups;
    private final Map<String, NDArray> kept = new LinkedHashMap<>();
    private final Map<String, Progress> progress = new LinkedHashMap<>();
    private final TrainingSettings settings;

    /**
     * Where one group stands.
     *
     * @param best smallest loss so far, for the parameters that are kept
     * @param plateau cuts so far
     * @param stall towards the end of its training
     */
    private record Progress(double best, Plateau plateau, Stall stall) {
        Progress after(double loss) {
            return new Progress(Math.min(best, loss), plateau.after(loss), stall.after(loss));
        }
    }

    Measurements(
            TorchScript script,
            NDManager parent,
            List<ParameterGroup> groups,
            TrainingSettings settings) {
        this.script = script;
        this.manager = parent.newSubManager();
        this.groups = List.copyOf(groups);
        this.settings = settings;
        for (ParameterGroup group : groups) {
            progress.put(group.name(), start());
            if (settings.keepBest()) {
                group.parameters()
                        .forEach(
                                (name, parameter) -> {
                                    kept.put(name, manager.zeros(parameter.getShape()));
                                    copy(parameter, kept.get(name));
                                });
            }
        }
    }

    private Progress start() {
        return new Progress(
                Double.POSITIVE_INFINITY,
                Plateau.start(
                        settings.plateauFactor(),
                        settings.plateauPatience(),
                        settings.minLrRatio()),
                Stall.start(settings.earlyStopPatience() - 1));
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
        progress.forEach(
                (group, p) -> {
                    String prefix = "measured." + group + ".";
                    if (settings.keepBest()) {
                        facts.put(prefix + "best", String.valueOf(p.best()));
                    }
                    if (settings.scheduler() == Scheduler.PLATEAU) {
                        put(facts, prefix + "plateau_", p.plateau().stall());
                        facts.put(prefix + "plateau_scale", String.valueOf(p.plateau().scale()));
                    }
                    if (settings.earlyStopPatience() > 0) {
                        put(facts, prefix + "stop_", p.stall());
                    }
                });
        return facts;
    }

    private static void put(Map<String, String> facts, String prefix, Stall stall) {
        facts.put(prefix + "best", String.valueOf(stall.best()));
        facts.put(prefix + "stalled", String.valueOf(stall.stalled()));
    }

    /** Takes up the numbers of a checkpoint with the same settings. */
    void restore(Map<String, String> facts) {
        progress.replaceAll(
                (group, p) -> {
                    String prefix = "measured." + group + ".";
                    double best = p.best();
                    if (settings.keepBest()) {
                        best = Double.parseDouble(facts.get(prefix + "best"));
                    }
                    Plateau plateau = p.plateau();
                    if (settings.scheduler() == Scheduler.PLATEAU) {
                        plateau =
                                new Plateau(
                                        plateau.factor(),
                                        plateau.floor(),
                                        stall(facts, prefix + "plateau_", plateau.stall()),
                                        Double.parseDouble(facts.get(prefix + "plateau_scale")));
                    }
                    Stall stall = p.stall();
                    if (settings.earlyStopPatience() > 0) {
                        stall = stall(facts, prefix + "stop_", stall);
                    }
                    return new Progress(best, plateau, stall);
                });
    }

    private static Stall stall(Map<String, String> facts, String prefix, Stall start) {
        return new Stall(
                start.patience(),
                Double.parseDouble(facts.get(prefix + "best")),
                Integer.parseInt(facts.get(prefix + "stalled")));
    }

    /** After a measurement of the parameters as they are; groups that have stopped stay so. */
    void measured(Losses losses) {
        Set<String> stopped = stopped();
        for (ParameterGroup group : groups) {
            if (stopped.contains(group.name())) {
                continue;
            }
            double loss = losses.of(group.name());
            if (loss < progress.get(group.name()).best() && settings.keepBest()) {
                group.parameters().forEach((name, parameter) -> copy(parameter, kept.get(name)));
            }
            progress.computeIfPresent(group.name(), (name, p) -> p.after(loss));
        }
    }

    /** Names of the groups that are trained no more. */
    Set<String> stopped() {
        Set<String> stopped = new LinkedHashSet<>();
        if (settings.earlyStopPatience() > 0) {
            progress.forEach(
                    (group, p) -> {
                        if (p.stall().isOver()) {
                            stopped.add(group);
                        }
                    });
        }
        return stopped;
    }

    /** What a group's learning rates are multiplied by, beside the schedule. */
    double rate(String group) {
        return settings.scheduler() == Scheduler.PLATEAU
                ? progress.get(group).plateau().scale()
                : 1;
    }

    /** Gives the parameters their best values back, where those are kept. */
    void recallBest() {
        if (settings.keepBest()) {
            for (ParameterGroup group : groups) {
                group.parameters().forEach((name, parameter) -> copy(kept.get(name), parameter));
            }
        }
    }

    private void copy(NDArray source, NDArray target) {
        script.call("copy", new TorchScript.Arguments().add(source).add(target));
    }

    @Override
    public void close() {
        manager.close();
    }
}
