package dev.tegu.config;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Words for what was expected and what was found. */
final class Expectation {

    private Expectation() {}

    /** One line for a node that does not hold the type. */
    static String message(Type type, ConfigNode node) {
        String line = "expected " + of(type) + ", found " + found(node);
        if (node.kind() == ConfigNode.Kind.NULL) {
            return line + "; give a value, or remove the key if it has a default";
        }
        if (node.kind() != ConfigNode.Kind.SCALAR || !(type instanceof Class<?> raw)) {
            return line;
        }
        if (raw.isEnum()) {
            return line + Nearest.hint(node.text(), words(raw));
        }
        if (raw == String.class) {
            return line + "; put it in quotes if text is meant";
        }
        boolean isWhole = Scalars.integer(node.text()).isPresent();
        if (node.isQuoted() && Scalars.plainType(node.text()) != Scalars.Type.TEXT) {
            return line + "; remove the quotes";
        }
        if (isWhole && ScalarBinder.isInt(raw)) {
            return line + "; the largest is " + Integer.MAX_VALUE;
        }
        if (isWhole && ScalarBinder.isLong(raw)) {
            return line + "; the largest is " + Long.MAX_VALUE;
        }
        return line;
    }

    static String of(Type type) {
        if (type instanceof ParameterizedType generic) {
            Type[] arguments = generic.getActualTypeArguments();
            Type element = arguments[arguments.length - 1];
            if (generic.getRawType() == Optional.class) {
                return of(element);
            }
            return generic.getRawType() == List.class ? "a list" : "a block of `name: value`";
        }
        if (type == Map.class) {
            return "a block of `name: value`";
        }
        if (!(type instanceof Class<?> raw)) {
            return "a value";
        }
        if (raw.isRecord()) {
            return "a block with the keys " + names(new RecordShape(raw).names());
        }
        if (raw.isEnum()) {
            return "one of " + names(words(raw));
        }
        if (ScalarBinder.isInt(raw) || ScalarBinder.isLong(raw)) {
            return "a whole number";
        }
        if (ScalarBinder.isDouble(raw)) {
            return "a finite number";
        }
        if (ScalarBinder.isBoolean(raw)) {
            return "`true` or `false`";
        }
        return raw == String.class ? "text" : "a value";
    }

    static String found(ConfigNode node) {
        return switch (node.kind()) {
            case MAPPING -> "a block";
            case LIST -> "a list";
            case NULL -> "nothing";
            case SCALAR ->
                    node.isQuoted() ? "the text `" + node.text() + "`" : "`" + node.text() + "`";
        };
    }

    static String names(Collection<String> names) {
        return names.stream().map(name -> "`" + name + "`").collect(Collectors.joining(", "));
    }

    private static List<String> words(Class<?> enumType) {
        return Arrays.stream(enumType.getEnumConstants())
                .map(constant -> RecordShape.word((Enum<?>) constant))
                .toList();
    }
}
