package dev.tegu.config;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A record class seen as a block of keys. */
final class RecordShape {

    /**
     * One key of the block.
     *
     * @param within the component whose record holds it, where that is {@link Flat}
     * @param defaultNode its default, if it may be absent
     */
    record Key(
            String name,
            RecordComponent component,
            Optional<RecordComponent> within,
            Optional<ConfigNode> defaultNode) {
        Type type() {
            return component.getGenericType();
        }

        boolean isOptional() {
            return component.getType() == Optional.class;
        }

        boolean isBare() {
            return component.isAnnotationPresent(Bare.class);
        }

        boolean isList() {
            return component.getType() == List.class;
        }

        Object valueIn(Record record) {
            return read(component, within.map(outer -> read(outer, record)).orElse(record));
        }
    }

    private final Class<?> type;
    private final List<Key> keys = new ArrayList<>();

    RecordShape(Class<?> type) {
        this.type = type;
        for (RecordComponent component : type.getRecordComponents()) {
            if (component.isAnnotationPresent(Flat.class)) {
                addFlat(component);
            } else {
                keys.add(
                        new Key(
                                snakeCase(component.getName()),
                                component,
                                Optional.empty(),
                                Optional.ofNullable(component.getAnnotation(Default.class))
                                        .map(d -> ConfigNode.parse(d.value(), "@Default"))));
            }
        }
    }

    private void addFlat(RecordComponent component) {
        ConfigNode defaults =
                ConfigNode.parse(component.getAnnotation(Flat.class).value(), "@Flat");
        RecordShape inner = new RecordShape(component.getType());
        for (String name : defaults.entries().keySet()) {
            if (!inner.names().contains(name)) {
                throw new IllegalStateException(component + ": no key `" + name + "`");
            }
        }
        for (Key key : inner.keys) {
            Optional<ConfigNode> own = defaults.get(key.name());
            keys.add(
                    new Key(
                            key.name(),
                            key.component(),
                            Optional.of(component),
                            own.isPresent() ? own : key.defaultNode()));
        }
    }

    private static Object read(RecordComponent component, Object record) {
        try {
            var accessor = component.getAccessor();
            accessor.setAccessible(true);
            return accessor.invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read " + component, e);
        }
    }

    List<Key> keys() {
        return keys;
    }

    /** The component that a value without a block is meant for, see {@link Bare}. */
    Optional<Key> bareFor(ConfigNode node) {
        boolean isList = node.kind() == ConfigNode.Kind.LIST;
        if (!isList && node.kind() != ConfigNode.Kind.SCALAR) {
            return Optional.empty();
        }
        return keys.stream().filter(Key::isBare).filter(key -> key.isList() == isList).findFirst();
    }

    List<String> names() {
        return keys.stream().map(Key::name).toList();
    }

    boolean hasKind() {
        return names().contains("kind");
    }

    /**
     * Calls the canonical constructor, and before it those of {@link Flat} components.
     *
     * @param values one a key, in the order of {@link #keys()}
     * @throws IllegalArgumentException if a record refuses the values
     */
    Object construct(Object[] values) {
        RecordComponent[] components = type.getRecordComponents();
        Object[] arguments = new Object[components.length];
        int at = 0;
        for (int i = 0; i < components.length; i++) {
            if (components[i].isAnnotationPresent(Flat.class)) {
                RecordShape inner = new RecordShape(components[i].getType());
                int end = at + inner.keys.size();
                arguments[i] = inner.construct(Arrays.copyOfRange(values, at, end));
                at = end;
            } else {
                arguments[i] = values[at++];
            }
        }
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException refused) {
                throw refused;
            }
            throw new IllegalStateException("cannot make a " + type.getName(), e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot make a " + type.getName(), e);
        }
    }

    static String snakeCase(String camelCase) {
        StringBuilder snake = new StringBuilder();
        for (int i = 0; i < camelCase.length(); i++) {
            char c = camelCase.charAt(i);
            if (Character.isUpperCase(c)) {
                snake.append('_');
            }
            snake.append(Character.toLowerCase(c));
        }
        return snake.toString();
    }

    static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
