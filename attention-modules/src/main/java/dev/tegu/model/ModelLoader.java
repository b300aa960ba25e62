package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionParameter;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.GateSpec;
import dev.tegu.attention.LinearAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.engine.Engines;
import dev.tegu.engine.MemoryShortage;
import dev.tegu.engine.OutOfDeviceMemoryException;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/** Fills a decoder's tensors from files, start values or random numbers. */
final class ModelLoader {
    private ModelLoader() {}

    private static final List<String> DECODER =
            List.of(
                    "/dev/tegu/model/decoder.py",
                    "/dev/tegu/model/activation.py",
                    "/dev/tegu/model/cache.py",
                    "/dev/tegu/model/token_losses.py",
                    "/dev/tegu/model/layer_tape.py");

    private static final String LINEAR = "/dev/tegu/model/decoder_linear.py";

    /** The script of a model without linearized attention. */
    static TorchScript script(ModelConfig config) {
        List<String> resources = new ArrayList<>(DECODER);
        resources.add(LinearAttention.GRADIENTS);
        return TorchScript.load(DecoderModel.class, resources, constants(config));
    }

    /** A model's linearized attention, whose script is the whole model's. */
    static LinearAttention attention(
            ModelConfig config, AttentionSpec spec, Set<LinearAttention.Branch> ablated) {
        List<String> resources = new ArrayList<>(DECODER);
        resources.add(LINEAR);
        return new LinearAttention(
                spec,
                config.shape(),
                ablated,
                new LinearAttention.Methods(resources, constants(config)));
    }

    /** What the decoder's scripts read of a model. */
    static Map<String, Object> constants(ModelConfig config) {
        AttentionShape shape = config.shape();
        Architecture family = config.architecture();
        DecoderSwitches switches = config.switches();
        Map<String, Object> constants = new LinkedHashMap<>();
        constants.put("eps", config.normEps());
        constants.put("hidden_act", config.hiddenAct());
        constants.put("num_heads", (long) shape.numHeads());
        constants.put("num_kv_heads", (long) shape.numKvHeads());
        constants.put("head_dim", (long) shape.headDim());
        constants.put("norm_type", word(family.normType()));
        constants.put("qk_norm", word(family.qkNorm()));
        constants.put("mlp_kind", word(family.mlp()));
        constants.put("parallel", switches.parallel());
        constants.put("embed_scale", switches.embedScale());
        constants.put("query_factor", switches.queryFactor());
        constants.put("rotary_dims", (long) switches.rotaryDims());
        constants.put("attention_softcap", switches.attentionSoftcap());
        constants.put("final_softcap", switches.finalSoftcap());
        constants.put("experts", (long) switches.experts());
        constants.put("experts_per_token", (long) switches.expertsPerToken());
        return constants;
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** How many tokens a layer's softmax attention sees, [] int64 on the CPU; absent: all. */
    static Optional<NDArray> window(ModelConfig config, int layer, NDManager manager) {
        int window = config.switches().windows().get(layer);
        return window == 0
                ? Optional.empty()
                : Optional.of(manager.newSubManager(Device.cpu()).create((long) window));
    }

    /** Where a model's tensors come from; each becomes the property of the model's manager. */
    interface WeightSource {
        NDArray tensor(ModelLayout.Entry entry) throws IOException;

        default Map<String, NDArray> tensors(List<ModelLayout.Entry> entries) throws IOException {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            for (ModelLayout.Entry entry : entries) {
                tensors.put(entry.role(), tensor(entry));
            }
            return tensors;
        }
    }

    /** What a layer's attention reads that no training changes and no file holds. */
    static Map<String, NDArray> constants(ModelConfig config, int layer, NDManager manager) {
        boolean constant =
                config.isLinear(layer)
                        && config.linearAttention().orElseThrow().gate().kind()
                                == GateSpec.Kind.CONSTANT;
        if (!constant) {
            return Map.of();
        }
        GateSpec gate = config.linearAttention().orElseThrow().gate();
        float[] logs = gate.logConstants(config.shape().numHeads(), layer, config.numLayers());
        return Map.of("gate.log_decay", manager.create(logs));
    }

    static DecoderModel load(
            HuggingFaceDirectory files,
            ModelConfig config,
            Device device,
            long seed,
            Set<LinearAttention.Branch> ablated,
            DType dtype,
            boolean trainsWeights)
            throws IOException {
        check(files, config);
        NDManager manager = Engines.newManager(device);
        try (WeightReader weights = new WeightReader(manager, dtype, trainsWeights)) {
            return new DecoderModel(
                    config,
                    dtype,
                    manager,
                    entry -> {
                        if (entry.parameter().isPresent() && !files.has(entry.name())) {
                            return start(manager, entry, seed);
                        }
                        if (entry.parameter().isEmpty()) {
                            return weights.read(files, entry);
                        }
                        TensorInfo info = files.info(entry.name());
                        return TensorCodec.decodeWritable(
                                manager, files.map(entry.name()), info.dtype(), info.dimensions());
                    },
                    ablated);
        } catch (IOException | RuntimeException e) {
            manager.close();
            refuseShortage(e, "loading " + files.path(), dtype);
            throw e;
        }
    }

    static DecoderModel random(ModelConfig config, Device device, long seed) throws IOException {
        NDManager manager = Engines.newManager(device);
        SplittableRandom random = new SplittableRandom(seed);
        AttentionParameter.Init normal = AttentionParameter.normal(0.02);
        return new DecoderModel(
                config,
                DType.F32,
                manager,
                entry -> {
                    if (entry.parameter().isPresent()) {
                        return start(manager, entry, seed);
                    }
                    long size = entry.shape().stream().reduce(1L, Math::multiplyExact);
                    float[] values = new float[Math.toIntExact(size)];
                    if (entry.shape().size() == 1) {
                        Arrays.fill(values, startOfVector(config, entry));
                    } else {
                        normal.fill(values, random.split());
                    }
                    return create(manager, values, entry.shape());
                },
                Set.of());
    }

    /**
     * Weights are drawn where they will live, one at a time in float32; none passes through Java.
     */
    static DecoderModel random(ModelConfig config, Device device, long seed, DType dtype)
            throws IOException {
        NDManager manager = Engines.newManager(device);
        manager.getEngine().setRandomSeed((int) seed);
        try (WeightReader weights = new WeightReader(manager, dtype, true)) {
            return new DecoderModel(
                    config,
                    dtype,
                    manager,
                    entry -> {
                        if (entry.parameter().isPresent()) {
                            return start(manager, entry, seed);
                        }
                        Shape shape = new Shape(entry.shape().stream().mapToLong(n -> n).toArray());
                        return weights.converted(
                                entry.name(),
                                shape.dimension() == 1
                                        ? manager.ones(shape).muli(startOfVector(config, entry))
                                        : manager.randomNormal(0, 0.02f, shape, DataType.FLOAT32));
                    },
                    Set.of());
        } catch (IOException | RuntimeException e) {
            manager.close();
            refuseShortage(e, "making a model of " + config.numLayers() + " layers", dtype);
            throw e;
        }
    }

    /** Biases start at zero, norms where they change nothing. */
    private static float startOfVector(ModelConfig config, ModelLayout.Entry entry) {
        boolean addsOne = config.architecture().normType() == Architecture.NormType.RMS_PLUS_ONE;
        return entry.role().endsWith(".bias") || addsOne ? 0 : 1;
    }

    /** Says what was being made when memory ran out. */
    private static void refuseShortage(Exception thrown, String what, DType dtype) {
        MemoryShortage.in(thrown)
                .ifPresent(
                        shortage -> {
                            throw new OutOfDeviceMemoryException(
                                    what
                                            + (": " + shortage.describe() + "; ")
                                            + (dtype == DType.F32
                                                    ? "`dtype` bfloat16 takes half as much, "
                                                    : "")
                                            + "`device` cpu takes the host's memory",
                                    thrown);
                        });
    }

    private static NDArray start(NDManager manager, ModelLayout.Entry entry, long seed) {
        float[] values = entry.parameter().orElseThrow().initialValues(seed, entry.layer());
        return create(manager, values, entry.shape());
    }

    /** Names and shapes of all tensors, before any is read; every fault in one message. */
    static void check(HuggingFaceDirectory files, ModelConfig config) {
        LayoutCheck.require(files, config);
    }

    /** Float32 array of the given values, row-major, in libtorch's memory. */
    private static NDArray create(NDManager manager, float[] values, List<Long> shape) {
        Shape dims = new Shape(shape.stream().mapToLong(Long::longValue).toArray());
        return TensorCodec.owned(manager.create(values, dims));
    }
}
