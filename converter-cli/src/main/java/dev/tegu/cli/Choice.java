package dev.tegu.cli;

import dev.tegu.config.Nearest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a constant of an enum as configurations write it: {@code lower_snake_case}. */
final class Choice<E extends Enum<E>> implements ITypeConverter<E> {
    private final Class<E> type;

    private Choice(Class<E> type) {
        this.type = type;
    }

    /** Lets a command line, its subcommands too, read constants of this enum. */
    static <E extends Enum<E>> void register(CommandLine command, Class<E> type) {
        command.registerConverter(type, new Choice<>(type));
    }

    @Override
    public E convert(String word) {
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> written(constant).equals(word))
                .findFirst()
                .orElseThrow(() -> unknown(word));
    }

    private TypeConversionException unknown(String word) {
        List<String> words = Arrays.stream(type.getEnumConstants()).map(Choice::written).toList();
        return new TypeConversionException(
                "expected "
                        + String.join(", ", words)
                        + ", found `"
                        + word
                        + "`"
                        + Nearest.hint(word, words));
    }

    /** A constant as it is written. */
    static String written(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
