package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Flat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the sources say of each key: the {@code @param} of its record's component. */
final class KeyDescriptions {
    private final Map<String, String> found = new TreeMap<>();

    private KeyDescriptions() {}

    /** By {@code Record.key}, for every record that a configuration can hold. */
    static Map<String, String> ofTheSources() {
        KeyDescriptions all = new KeyDescriptions();
        for (ConfigSchemas schema : ConfigSchemas.values()) {
            all.visit(schema.type());
        }
        return all.found;
    }

    private void visit(Type type) {
        if (type instanceof ParameterizedType generic) {
            for (Type argument : generic.getActualTypeArguments()) {
                visit(argument);
            }
        } else if (type == ConfigNode.class) {
            visit(AttentionSpec.class);
        } else if (type instanceof Class<?> raw && raw.isRecord()) {
            String source = source(raw);
            for (RecordComponent component : raw.getRecordComponents()) {
                String key = raw.getSimpleName() + "." + snakeCase(component.getName());
                boolean isNew =
                        component.isAnnotationPresent(Flat.class)
                                || found.put(key, described(source, component.getName())) == null;
                if (isNew) {
                    visit(component.getGenericType());
                }
            }
        }
    }

    private static String source(Class<?> type) {
        String name = type.getName().replace('.', '/') + ".java";
        try (Stream<Path> modules = Files.list(Path.of(".."))) {
            Path file =
                    modules.map(module -> module.resolve("src/main/java").resolve(name))
                            .filter(Files::exists)
                            .findFirst()
                            .orElseThrow();
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String described(String source, String component) {
        Matcher found =
                Pattern.compile(
                                "@param " + component + "\\b(.*?)(?=\\* @|\\*/|\\*\\R)",
                                Pattern.DOTALL)
                        .matcher(source);
        if (!found.find()) {
            throw new IllegalStateException("no @param " + component);
        }
        return found.group(1)
                .replaceAll("\\R *\\*", " ")
                .replaceAll("\\s+", " ")
                .replaceAll("\\{@(?:code|link) #?([^}]*)}", "$1")
                .replaceAll("</?code>", "")
                .strip();
    }

    private static String snakeCase(String camelCase) {
        return camelCase.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }
}
