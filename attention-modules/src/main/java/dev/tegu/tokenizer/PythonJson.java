package dev.tegu.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.Filter;
import java.util.Collection;
import java.util.Iterator;
import java.util.Map;

/**
 * The filter {@code tojson} as transformers has it: Python's {@code json.dumps} with {@code
 * ensure_ascii=False}. Between entries stands a comma and a space, or with {@code indent} a new
 * line; keys keep their order.
 */
public final class PythonJson implements Filter {
    private static final JsonMapper SCALARS =
            JsonMapper.builder().disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE).build();

    /**
     * Python's {@code json.dumps(value, ensure_ascii=False)}.
     *
     * @param value maps, collections, texts, numbers, booleans and null
     */
    public static String dumps(Object value) {
        return dumps(value, -1);
    }

    /**
     * The same over several lines, {@code json.dumps(value, indent=indent, ensure_ascii=False)}.
     */
    public static String dumps(Object value, int indent) {
        StringBuilder text = new StringBuilder();
        write(text, value, indent, 0);
        return text.toString();
    }

    @Override
    public String getName() {
        return "tojson";
    }

    @Override
    public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
        return filter(value, interpreter, (Object[]) arguments, Map.of());
    }

    @Override
    public Object filter(
            Object value,
            JinjavaInterpreter interpreter,
            Object[] arguments,
            Map<String, Object> named) {
        Object indent = named.getOrDefault("indent", arguments.length > 0 ? arguments[0] : null);
        return dumps(value, indent == null ? -1 : Integer.parseInt(indent.toString()));
    }

    private static void write(StringBuilder text, Object value, int indent, int depth) {
        if (value instanceof Map<?, ?> map) {
            text.append('{');
            for (Iterator<? extends Map.Entry<?, ?>> it = map.entrySet().iterator();
                    it.hasNext(); ) {
                Map.Entry<?, ?> entry = it.next();
                line(text, indent, depth + 1);
                text.append(scalar(String.valueOf(entry.getKey()))).append(": ");
                write(text, entry.getValue(), indent, depth + 1);
                text.append(it.hasNext() ? comma(indent) : "");
            }
            line(text, map.isEmpty() ? -1 : indent, depth);
            text.append('}');
        } else if (value instanceof Collection<?> list) {
            text.append('[');
            for (Iterator<?> it = list.iterator(); it.hasNext(); ) {
                line(text, indent, depth + 1);
                write(text, it.next(), indent, depth + 1);
                text.append(it.hasNext() ? comma(indent) : "");
            }
            line(text, list.isEmpty() ? -1 : indent, depth);
            text.append(']');
        } else {
            text.append(scalar(value));
        }
    }

    private static String comma(int indent) {
        return indent < 0 ? ", " : ",";
    }

    private static void line(StringBuilder text, int indent, int depth) {
        if (indent >= 0) {
            text.append('\n').append(" ".repeat(indent * depth));
        }
    }

    private static String scalar(Object value) {
        if (value instanceof Double || value instanceof Float) {
            return PythonFloat.json(((Number) value).doubleValue());
        }
        try {
            return SCALARS.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new ChatTemplateException("`tojson` cannot write " + value.getClass().getName());
        }
    }
}
