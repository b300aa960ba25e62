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

    /** One key of the block. */
    record Key(String name, RecordComponent component) {
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

        /** YAML text of the default, if the key may be absent. */
        Optional<String> defaultText() {
            return Optional.ofNullable(component.getAnnotation(Default.class)).map(Default::value);
        }

        Object valueIn(Record record) {
            try {
                var accessor = component.getAccessor();
                accessor.setAccessible(true);
                return accessor.invoke(record);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("cannot read " + component, e);
            }
        }
    }

    private final Class<?> type;
    private final List<Key> keys = new ArrayList<>();

    RecordShape(Class<?> type) {
        this.type = type;
        for (RecordComponent component : type.getRecordComponents()) {
            keys.add(new Key(snakeCase(component.getName()), component));
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
     * Calls the canonical constructor.
     *
     * @throws IllegalArgumentException if the record refuses the values
     */
    Object construct(Object[] values) {
        Class<?>[] types =
                Arrays.stream(type.getRecordComponents())
                        .map(RecordComponent::getType)
                        .toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
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
