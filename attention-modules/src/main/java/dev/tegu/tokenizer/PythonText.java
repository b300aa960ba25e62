package dev.tegu.tokenizer;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.Filter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;

/** The methods of Python's str that templates call, on Java's strings. */
public final class PythonText {
    /** What Python's str.isspace is true of. */
    private static final String WHITESPACE =
            " \t\n\u000B\f\r\u001C\u001D\u001E\u001F\u0085\u00A0\u1680\u2000\u2001\u2002\u2003"
                    + "\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000";

    /** Asked before the library's own methods. */
    static final ELResolver RESOLVER = new Resolver();

    /** The filter {@code trim}; the library's own takes control characters for spaces. */
    static final Filter TRIM = new Trim();

    private PythonText() {}

    /** Python's {@code str.strip()}. */
    public static String strip(String text) {
        return strip(text, WHITESPACE, true, true);
    }

    /** Python's {@code str.rstrip()}. */
    public static String stripTrailing(String text) {
        return strip(text, WHITESPACE, false, true);
    }

    private static Object call(String text, String method, Object... arguments) {
        String first = arguments.length > 0 ? String.valueOf(arguments[0]) : "";
        String set = arguments.length > 0 ? first : WHITESPACE;
        return switch (method) {
            case "strip" -> strip(text, set, true, true);
            case "lstrip" -> strip(text, set, true, false);
            case "rstrip" -> strip(text, set, false, true);
            case "startswith" -> text.startsWith(first);
            case "endswith" -> text.endsWith(first);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> title(text);
            case "capitalize" -> capitalize(text);
            case "replace" -> text.replace(first, String.valueOf(arguments[1]));
            case "find" -> text.indexOf(first);
            case "split" -> arguments.length > 0 ? split(text, first) : words(text);
            default -> throw new ELException("the text method `" + method + "` is not known here");
        };
    }

    private static String strip(String text, String set, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && set.indexOf(text.charAt(from)) >= 0) {
            from++;
        }
        while (right && to > from && set.indexOf(text.charAt(to - 1)) >= 0) {
            to--;
        }
        return text.substring(from, to);
    }

    private static List<String> split(String text, String separator) {
        List<String> parts = new ArrayList<>();
        int from = 0;
        for (int at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, from)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static List<String> words(String text) {
        return Arrays.stream(text.split("[" + WHITESPACE + "]+"))
                .filter(word -> !word.isEmpty())
                .toList();
    }

    /** Python's {@code str.capitalize()}: the first letter large, all others small. */
    public static String capitalize(String text) {
        return text.isEmpty()
                ? text
                : text.substring(0, 1).toUpperCase(Locale.ROOT)
                        + text.substring(1).toLowerCase(Locale.ROOT);
    }

    private static String title(String text) {
        StringBuilder title = new StringBuilder();
        boolean inWord = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            title.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
            inWord = Character.isLetter(c);
        }
        return title.toString();
    }

    /** Python's {@code list.index}. */
    private static int index(List<?> list, Object value) {
        int index = list.indexOf(value);
        if (index < 0) {
            throw new ELException("`" + value + "` is not in the list " + list);
        }
        return index;
    }

    private static final class Trim implements Filter {
        @Override
        public String getName() {
            return "trim";
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            return value == null ? "" : call(value.toString(), "strip", (Object[]) arguments);
        }
    }

    private static final class Resolver extends CompositeELResolver {
        Resolver() {
            add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        }

        @Override
        public Object invoke(
                ELContext context,
                Object base,
                Object method,
                Class<?>[] types,
                Object[] arguments) {
            if (base instanceof String text) {
                Object result = call(text, String.valueOf(method), arguments);
                context.setPropertyResolved(true);
                return result;
            }
            if (base instanceof List<?> list && method.equals("index")) {
                context.setPropertyResolved(true);
                return index(list, arguments[0]);
            }
            return super.invoke(context, base, method, types, arguments);
        }
    }
}
