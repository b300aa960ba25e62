package dev.tegu.config;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Optional;

/** Reads one scalar as one type, or says no. */
final class ScalarBinder {

    private final Class<?> type;

    ScalarBinder(Class<?> type) {
        this.type = type;
    }

    static boolean reads(Class<?> type) {
        return type == String.class
                || isInt(type)
                || isLong(type)
                || isDouble(type)
                || isBoolean(type)
                || type.isEnum();
    }

    static boolean isInt(Class<?> type) {
        return type == int.class || type == Integer.class;
    }

    static boolean isLong(Class<?> type) {
        return type == long.class || type == Long.class;
    }

    static boolean isDouble(Class<?> type) {
        return type == double.class || type == Double.class;
    }

    static boolean isBoolean(Class<?> type) {
        return type == boolean.class || type == Boolean.class;
    }

    /** The value, or empty if the node does not hold one of this type. */
    Optional<Object> read(ConfigNode node) {
        if (node.kind() != ConfigNode.Kind.SCALAR) {
            return Optional.empty();
        }
        if (type == String.class) {
            return node.isText() ? Optional.of(node.text()) : Optional.empty();
        }
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                    .filter(constant -> RecordShape.word((Enum<?>) constant).equals(node.text()))
                    .map(Object.class::cast)
                    .findFirst();
        }
        if (node.isQuoted()) {
            return Optional.empty();
        }
        if (isDouble(type)) {
            return Scalars.decimal(node.text()).map(Object.class::cast);
        }
        if (isBoolean(type)) {
            return Scalars.plainType(node.text()) == Scalars.Type.BOOLEAN
                    ? Optional.of(Boolean.valueOf(node.text()))
                    : Optional.empty();
        }
        int bits = isInt(type) ? Integer.SIZE : Long.SIZE;
        return Scalars.integer(node.text())
                .filter(value -> value.bitLength() < bits)
                .map(this::boxed);
    }

    private Object boxed(BigInteger value) {
        return isInt(type) ? (Object) value.intValueExact() : value.longValueExact();
    }
}
