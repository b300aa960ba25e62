package dev.tegu.config;

import dev.tegu.config.ConfigNode.Entry;
import dev.tegu.config.ConfigNode.Kind;
import dev.tegu.config.ConfigNode.Place;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One pass of {@link ConfigBinder} over one text: reads what it can and collects every fault. */
final class Binding {

    /** Stands for a value that could not be read; its problem is in the list. */
    private static final Object FAILED = new Object();

    private final List<Problem> problems = new ArrayList<>();

    /**
     * @throws ConfigException if there was any fault: sorted by place, texts in the order of their
     *     first fault
     */
    void throwIfAny() {
        if (!problems.isEmpty()) {
            throw new ConfigException(Problem.inOrder(problems));
        }
    }

    /**
     * @param place where the key stands, for faults of a whole block
     */
    Object value(Type type, ConfigNode node, String path, Place place) {
        if (type instanceof ParameterizedType generic) {
            Type[] arguments = generic.getActualTypeArguments();
            Type element = arguments[arguments.length - 1];
            if (generic.getRawType() == Optional.class) {
                return node.kind() == Kind.NULL
                        ? Optional.empty()
                        : ifRead(value(element, node, path, place), Optional::of);
            }
            if (generic.getRawType() == List.class) {
                return list(element, node, path);
            }
            if (generic.getRawType() == Map.class && arguments[0] == String.class) {
                return map(element, node, path);
            }
        }
        if (type == ConfigNode.class) {
            return node;
        }
        if (type instanceof Class<?> raw && raw.isRecord()) {
            return record(new RecordShape(raw), node, path, place);
        }
        if (type instanceof Class<?> raw && ScalarBinder.reads(raw)) {
            return new ScalarBinder(raw).read(node).orElseGet(() -> wrongType(type, node, path));
        }
        throw new IllegalArgumentException("no configuration can be bound to " + type);
    }

    private static Object ifRead(Object value, java.util.function.UnaryOperator<Object> wrap) {
        return value == FAILED ? FAILED : wrap.apply(value);
    }

    private Object wrongType(Type type, ConfigNode node, String path) {
        String message = Expectation.message(type, node);
        problems.add(node.place().problem(path, message));
        return FAILED;
    }

    private Object list(Type element, ConfigNode node, String path) {
        if (node.kind() != Kind.LIST) {
            String message =
                    "expected a list, found " + Expectation.found(node) + "; write `[a, b]`";
            problems.add(node.place().problem(path, message));
            return FAILED;
        }
        List<Object> items = new ArrayList<>();
        for (ConfigNode item : node.items()) {
            items.add(value(element, item, path + "[" + items.size() + "]", item.place()));
        }
        return items.contains(FAILED) ? FAILED : List.copyOf(items);
    }

    private Object map(Type element, ConfigNode node, String path) {
        if (node.kind() != Kind.MAPPING) {
            return wrongType(Map.class, node, path);
        }
        Map<String, Object> values = new LinkedHashMap<>();
        node.entries()
                .forEach(
                        (key, entry) ->
                                values.put(
                                        key,
                                        value(
                                                element,
                                                entry.value(),
                                                join(path, key),
                                                entry.keyPlace())));
        return values.containsValue(FAILED) ? FAILED : Collections.unmodifiableMap(values);
    }

    private Object record(RecordShape shape, ConfigNode given, String path, Place place) {
        ConfigNode node = given;
        Optional<RecordShape.Key> bare = shape.bareFor(given);
        if (bare.isPresent()) {
            return bareRecord(shape, bare.get(), given, path, place);
        }
        if (given.isText() && shape.hasKind()) {
            node = ConfigNode.mapping(place, Map.of("kind", new Entry(place, given)));
        } else if (given.kind() != Kind.MAPPING) {
            String keys = "expected a block with the keys " + Expectation.names(shape.names());
            String message = keys + ", found " + Expectation.found(given);
            problems.add(given.place().problem(path, message));
            return FAILED;
        }
        refuseUnknownKeys(shape, node, path);
        Object[] values = new Object[shape.keys().size()];
        boolean isWhole = true;
        for (int i = 0; i < values.length; i++) {
            values[i] = component(shape.keys().get(i), node, path, place);
            isWhole &= values[i] != FAILED;
        }
        return isWhole ? construct(shape, values, node, path, place) : FAILED;
    }

    /** A record of which only one component is written, without its key. */
    private Object bareRecord(
            RecordShape shape, RecordShape.Key bare, ConfigNode given, String path, Place place) {
        Object[] values = new Object[shape.keys().size()];
        ConfigNode absent = ConfigNode.mapping(place, Map.of());
        for (int i = 0; i < values.length; i++) {
            RecordShape.Key key = shape.keys().get(i);
            values[i] =
                    key.equals(bare)
                            ? value(key.type(), given, path, place)
                            : component(key, absent, path, place);
            if (values[i] == FAILED) {
                return FAILED;
            }
        }
        return construct(shape, values, absent, path, place);
    }

    private void refuseUnknownKeys(RecordShape shape, ConfigNode node, String path) {
        List<String> known = shape.names();
        node.entries()
                .forEach(
                        (key, entry) -> {
                            if (!known.contains(key)) {
                                String hint = Nearest.hint(key, known);
                                String message =
                                        hint.isEmpty()
                                                ? "unknown key; known here: "
                                                        + Expectation.names(known)
                                                : "unknown key" + hint;
                                problems.add(entry.keyPlace().problem(join(path, key), message));
                            }
                        });
    }

    private Object component(RecordShape.Key key, ConfigNode node, String path, Place place) {
        String keyPath = join(path, key.name());
        Entry entry = node.entries().get(key.name());
        if (entry != null) {
            return value(key.type(), entry.value(), keyPath, entry.keyPlace());
        }
        if (key.defaultNode().isPresent()) {
            return defaultValue(key, key.defaultNode().get());
        }
        if (key.isOptional()) {
            return Optional.empty();
        }
        String message = "missing key, expected " + Expectation.of(key.type());
        problems.add(place.problem(keyPath, message));
        return FAILED;
    }

    /** A default that cannot be read is a fault of the program, not of the text. */
    private static Object defaultValue(RecordShape.Key key, ConfigNode node) {
        Binding binding = new Binding();
        Object value = binding.value(key.type(), node, key.name(), node.place());
        if (!binding.problems.isEmpty()) {
            throw new IllegalStateException(key.component() + ": " + binding.problems);
        }
        return value;
    }

    private Object construct(
            RecordShape shape, Object[] values, ConfigNode node, String path, Place place) {
        try {
            return shape.construct(values);
        } catch (InvalidValueException e) {
            Place where = keyPlace(node, e.key()).orElse(place);
            problems.add(where.problem(join(path, e.key()), e.getMessage()));
        } catch (IllegalArgumentException e) {
            problems.add(place.problem(path, e.getMessage()));
        }
        return FAILED;
    }

    /** The place of the longest part of a dotted key that stands in the text. */
    private static Optional<Place> keyPlace(ConfigNode node, String dottedKey) {
        Optional<Place> found = Optional.empty();
        ConfigNode block = node;
        for (String key : dottedKey.split("\\.", -1)) {
            Entry entry = block.entries().get(key);
            if (entry == null) {
                return found;
            }
            found = Optional.of(entry.keyPlace());
            block = entry.value();
        }
        return found;
    }

    private static String join(String path, String key) {
        if (path.isEmpty() || key.isEmpty()) {
            return path + key;
        }
        return path + "." + key;
    }
}
