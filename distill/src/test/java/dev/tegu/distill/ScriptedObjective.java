package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Engines;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.PrimitiveIterator;
import java.util.stream.DoubleStream;

/** One trained number, validation losses from a list, and a memory of what it was asked. */
final class ScriptedObjective implements Objective, AutoCloseable {
    final NDManager manager = Engines.newManager(Device.cpu());
    final NDArray parameter = manager.create(new float[] {1});

    /** Ids of each batch, row by row. */
    final List<List<long[]>> batches = new ArrayList<>();

    /** Value of the parameter at each validation. */
    final List<Float> measured = new ArrayList<>();

    private final PrimitiveIterator.OfDouble losses;

    ScriptedObjective(double... losses) {
        this.losses = Arrays.stream(losses).iterator();
    }

    /** One that answers the same for ever. */
    static ScriptedObjective flat() {
        return new ScriptedObjective(DoubleStream.generate(() -> 3).limit(1000).toArray());
    }

    @Override
    public String stage() {
        return "scripted";
    }

    @Override
    public List<ParameterGroup> groups() {
        return List.of(new ParameterGroup("scripted", Map.of("p", parameter)));
    }

    @Override
    public BatchLosses backward(TrainingBatch batch, StepContext context) {
        int length = (int) batch.ids().getShape().get(1);
        long[] flat = batch.ids().toLongArray();
        List<long[]> rows = new ArrayList<>();
        for (int at = 0; at < flat.length; at += length) {
            rows.add(Arrays.copyOfRange(flat, at, at + length));
        }
        batches.add(rows);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            collector.backward(parameter.mul(parameter).sum());
        }
        return BatchLosses.of(Losses.of(1));
    }

    @Override
    public Losses loss(TrainingBatch batch) {
        measured.add(value());
        return Losses.of(losses.nextDouble());
    }

    float value() {
        return parameter.toFloatArray()[0];
    }

    @Override
    public void close() {
        manager.close();
    }
}
