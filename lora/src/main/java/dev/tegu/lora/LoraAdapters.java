package dev.tegu.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TeguVersion;
import dev.tegu.model.TensorCodec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The low-rank adapters of one model, attached to its layers.
 *
 * <p>A and B are float32 whatever the model's type; the model's manager owns them, so they live as
 * long as the model.
 */
public final class LoraAdapters {
    private final ModelConfig model;
    private final LoraSettings settings;
    private final List<LoraTarget> targets = new ArrayList<>();
    private final Map<String, NDArray> parameters = new LinkedHashMap<>();

    private LoraAdapters(ModelConfig model, LoraSettings settings) {
        this.model = model;
        this.settings = settings;
    }

    /**
     * Attaches new adapters, which change nothing yet: A uniform in +-1/sqrt(in), as PEFT starts
     * it, B zero. Each adapter's values depend on seed, layer and module alone.
     *
     * @throws IllegalStateException if the model has adapters already
     */
    public static LoraAdapters create(DecoderModel model, LoraSettings settings, long seed) {
        requireNone(model);
        LoraAdapters adapters = new LoraAdapters(model.config(), settings);
        NDManager manager = model.manager();
        NDArray[] scales = adapters.scales(model);
        for (LoraTarget target : LoraTarget.of(model.config(), settings)) {
            NDArray a =
                    TensorCodec.owned(
                            manager.create(
                                    startOfA(target, settings, seed),
                                    shape(target.shapeOfA(settings))));
            NDArray b = manager.zeros(shape(target.shapeOfB(settings)), DataType.FLOAT32);
            adapters.attach(model, target, a, b, scales[target.layer()]);
        }
        return adapters;
    }

    private static float[] startOfA(LoraTarget target, LoraSettings settings, long seed) {
        long stream = (seed * 1_000_003L + target.layer()) * 31 + target.role().hashCode();
        SplittableRandom random = new SplittableRandom(stream);
        float[] values = new float[Math.toIntExact(settings.r() * target.in())];
        double bound = 1 / Math.sqrt((double) target.in());
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) ((2 * random.nextDouble() - 1) * bound);
        }
        return values;
    }

    /**
     * Attaches the adapters of a folder with PEFT's files.
     *
     * @throws CheckpointException if a file is missing or damaged, asks for what Tegu does not
     *     compute, or is for another model: all tensors at fault, together
     * @throws IllegalStateException if the model has adapters already
     */
    public static LoraAdapters load(DecoderModel model, Path dir) throws IOException {
        requireNone(model);
        try (PeftDirectory files = PeftDirectory.open(dir, model.config())) {
            LoraAdapters adapters = new LoraAdapters(model.config(), files.config().settings());
            NDManager manager = model.manager();
            NDArray[] scales = adapters.scales(model);
            for (PeftModule module : files.modules()) {
                for (LoraTarget target : module.targets()) {
                    // scripts take each array once a call: roles of one map have A each
                    adapters.attach(
                            model,
                            target,
                            files.readA(manager, module),
                            files.readB(manager, module, target),
                            scales[target.layer()]);
                }
            }
            return adapters;
        }
    }

    private static void requireNone(DecoderModel model) {
        for (DecoderLayer layer : model.layers()) {
            if (layer.weights().keySet().stream().anyMatch(name -> name.endsWith(".lora_A"))) {
                throw new IllegalStateException("the model has adapters already");
            }
        }
    }

    /** One scale a layer: a layer's adapters share it, and scripts take each array once a call. */
    private NDArray[] scales(DecoderModel model) {
        NDArray[] scales = new NDArray[model.layers().size()];
        Arrays.setAll(scales, i -> model.manager().create((float) settings.scale()));
        return scales;
    }

    private void attach(
            DecoderModel model, LoraTarget target, NDArray a, NDArray b, NDArray scale) {
        DecoderLayer layer = model.layers().get(target.layer());
        layer.attachAdapter(target.role(), a, b, scale);
        targets.add(target);
        parameters.put(target.nameOfA(), a);
        parameters.put(target.nameOfB(), b);
    }

    private static Shape shape(List<Long> dimensions) {
        return new Shape(dimensions.stream().mapToLong(Long::longValue).toArray());
    }

    /** Rank, scale and modules. */
    public LoraSettings settings() {
        return settings;
    }

    /**
     * A and B of every adapter by PEFT's names, by layer and map; float32. Roles that share a
     * stored map have names of their own here, PEFT's files have one A and one B of the map.
     */
    public Map<String, NDArray> parameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /** Whether autograd follows A and B; it does not at first. */
    public void setRequiresGradient(boolean requires) {
        parameters.values().forEach(array -> array.setRequiresGradient(requires));
    }

    /**
     * Writes PEFT's files as a folder of their own, whole or not at all.
     *
     * @param dir does not exist, or is empty
     * @param baseModel folder or name of the model that the adapters belong to
     * @throws CheckpointException if something is there already
     */
    public void save(Path dir, String baseModel) throws IOException {
        try (StagedDirectory directory = StagedDirectory.create(dir)) {
            writeTo(directory, baseModel);
            directory.property("kind", "adapters").property("tegu_version", TeguVersion.NUMBER);
            directory.commit();
        }
    }

    /** Has PEFT's files written beside a model; {@code base_model_name_or_path} is its folder. */
    public ModelWriter addTo(ModelWriter writer) {
        return writer.extra(
                directory -> writeTo(directory, directory.target().getFileName().toString()));
    }

    private void writeTo(StagedDirectory directory, String baseModel) throws IOException {
        Map<String, TensorSource> tensors = new TreeMap<>();
        Map<LoraTarget, Integer> ranks = new LinkedHashMap<>();
        for (LoraTarget target : targets) {
            long rank = parameters.get(target.nameOfA()).getShape().get(0);
            ranks.put(target, Math.toIntExact(rank));
        }
        for (PeftModule module : PeftModule.of(targets)) {
            long rank = module.targets().stream().mapToInt(ranks::get).sum();
            List<NDArray> a = all(module, LoraTarget::nameOfA);
            List<NDArray> b = all(module, LoraTarget::nameOfB);
            if (module.isOneRole()) {
                tensors.put(module.nameOfA(), source(module.shapeOfA(rank), a.get(0)));
                tensors.put(module.nameOfB(), source(module.shapeOfB(rank), b.get(0)));
            } else {
                tensors.put(
                        module.nameOfA(),
                        source(module.shapeOfA(rank), () -> module.stacked(values(a))));
                tensors.put(
                        module.nameOfB(),
                        source(module.shapeOfB(rank), () -> module.spread(values(b))));
            }
        }
        PeftConfig config = PeftConfig.of(model, settings, ranks);
        PeftDirectory.write(directory, tensors, config, baseModel);
    }

    private List<NDArray> all(PeftModule module, Function<LoraTarget, String> name) {
        return module.targets().stream().map(name).map(parameters::get).toList();
    }

    private static List<float[]> values(List<NDArray> arrays) {
        return arrays.stream().map(NDArray::toFloatArray).toList();
    }

    private static TensorSource source(List<Long> shape, NDArray array) {
        return TensorSource.of(DType.F32, shape, () -> TensorCodec.encode(array, DType.F32));
    }

    private static TensorSource source(List<Long> shape, Supplier<float[]> values) {
        return TensorSource.of(
                DType.F32,
                shape,
                () -> {
                    float[] all = values.get();
                    ByteBuffer bytes = ByteBuffer.allocate(all.length * Float.BYTES);
                    bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(all);
                    return bytes;
                });
    }

    /**
     * The weight that does what weight and adapter do: W + scale B A.
     *
     * @param weight [out, in], float32
     * @param a [r, in], float32
     * @param b [out, r], float32
     * @return [out, in], float32, on the manager of {@code weight}
     */
    public static NDArray mergedWeight(NDArray weight, NDArray a, NDArray b, double scale) {
        try (NDManager scope = NDManager.subManagerOf(weight)) {
            scope.tempAttachAll(weight, a, b);
            return scope.ret(weight.add(b.matMul(a).mul((float) scale)));
        }
    }
}
