package dev.tegu.engine;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A set of TorchScript methods, loaded from a text resource and callable with autograd.
 *
 * <p>One call costs what a single {@code NDArray} operation costs (some microseconds), however much
 * the method computes; a chain of {@code NDArray} operations pays that price at each link.
 *
 * <p>Not thread-safe: a call names its arrays for the time of the call.
 */
public final class TorchScript implements AutoCloseable {
    private final Model model;
    private final PtSymbolBlock block;

    /** Carries the method's name; on the CPU, so that a call makes nothing on a GPU. */
    private final NDArray marker;

    /**
     * A field of {@code self} that is empty at first: methods put tensors into it, which stay there
     * from call to call until the script is closed. Hundreds of weights then cross once rather than
     * at every call. libtorch shares their memory; Java's managers do not see it.
     */
    public enum Holder {
        /** One dictionary. */
        TENSORS("Dict[str, Tensor]", '}'),
        /** A dictionary for each layer. */
        LAYERS("List[Dict[str, Tensor]]", ']');

        final String type;

        /** Pickle's opcode of the empty container. */
        final char empty;

        Holder(String type, char empty) {
            this.type = type;
            this.empty = empty;
        }
    }

    private TorchScript(Model model) {
        this.model = model;
        this.block = (PtSymbolBlock) model.getBlock();
        this.marker = model.getNDManager().create(0f);
    }

    /** As {@link #load(Class, List, Map)} with one resource. */
    public static TorchScript load(Class<?> owner, String resource, Map<String, Object> constants) {
        return load(owner, List.of(resource), constants);
    }

    /**
     * @param owner class beside whose file the resources lie
     * @param resources names of text files of TorchScript methods, which may call each other; a
     *     name that begins with a slash is a path from the root of the class path
     * @param constants fields of {@code self} that the methods read, and where they are numbers or
     *     {@link Holder}s, may change
     * @throws IllegalStateException if a resource is missing or they do not compile; the message
     *     holds the line
     */
    public static TorchScript load(
            Class<?> owner, List<String> resources, Map<String, Object> constants) {
        StringBuilder methods = new StringBuilder();
        resources.forEach(resource -> methods.append(text(owner, resource)).append("\n"));
        String name = String.join(", ", resources);
        byte[] archive = TorchScriptArchive.build(methods.toString(), new TreeMap<>(constants));
        // The methods hold no tensors, so they run wherever their inputs are.
        Model model = Model.newInstance(name, ai.djl.Device.cpu(), Engines.NAME);
        try {
            model.load(new ByteArrayInputStream(archive));
            Engines.computeAsWritten();
        } catch (IOException | MalformedModelException | EngineException e) {
            model.close();
            throw new IllegalStateException(name + ": " + e.getMessage(), e);
        }
        return new TorchScript(model);
    }

    private static String text(Class<?> owner, String resource) {
        try (InputStream in = owner.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException(resource + ": no such resource beside " + owner);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The arguments of one call, in the order of the method's parameters. */
    public static final class Arguments {
        private final NDList list = new NDList();

        /** Adds a tensor. The first one's manager becomes the owner of the results. */
        public Arguments add(NDArray tensor) {
            tensor.setName(null);
            list.add(tensor);
            return this;
        }

        /**
         * Adds a {@code List[Tensor]}.
         *
         * @param name any word, different for each list of the call
         */
        public Arguments add(String name, List<NDArray> tensors) {
            if (tensors.isEmpty()) {
                throw new IllegalArgumentException(name + ": an empty list cannot be passed");
            }
            for (NDArray tensor : tensors) {
                tensor.setName(name + "[]");
                list.add(tensor);
            }
            return this;
        }

        /**
         * Adds a {@code Dict[str, Tensor]}.
         *
         * @param name any word without a dot, different for each dictionary of the call
         */
        public Arguments add(String name, Map<String, NDArray> tensors) {
            if (tensors.isEmpty()) {
                throw new IllegalArgumentException(name + ": an empty dictionary cannot be passed");
            }
            tensors.forEach(
                    (key, tensor) -> {
                        tensor.setName(name + "." + key);
                        list.add(tensor);
                    });
            return this;
        }
    }

    /**
     * Calls a method; autograd records it when a gradient collector is open.
     *
     * @param method name of the method
     * @param arguments tensors and dictionaries; a tensor may appear once only
     * @return the tensor, or the tuple's or list's tensors in order, owned by the manager of the
     *     first argument
     */
    public NDList call(String method, Arguments arguments) {
        marker.setName("module_method:" + method);
        arguments.list.add(marker);
        // `true` does not mean that gradients are recorded, the thread's grad mode does; `false`
        // would give tensors that can never enter a gradient.
        return IValueUtils.forward(block, arguments.list, true);
    }

    @Override
    public void close() {
        model.close();
    }
}
