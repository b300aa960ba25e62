package dev.tegu.tokenizer;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;

/** The methods of Python's str that chat templates call, on Java's strings. */
final class PythonText {
    private static final String WHITESPACE = " \t\n\r\f\u000B";

    /** Asked before the library's own methods. */
    static final ELResolver RESOLVER = new Resolver();

    private PythonText() {}

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
        String inner = strip(text, WHITESPACE, true, true);
        return inner.isEmpty() ? List.of() : List.of(inner.split("\\s+"));
    }

    private static String capitalize(String text) {
        return text.isEmpty()
                ? text
                : text.substring(0, 1).toUpperCase(Locale.ROOT)
                        + text.substring(1).toLowerCase(Locale.ROOT);
    }

    private static String title(String text) {
        StringBuilder title = new StringBuilder();
        boolean inWord = false;
        for (char c : text.toCharArray()) {
            title.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
            inWord = Character.isLetter(c);
        }
        return title.toString();
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
            return super.invoke(context, base, method, types, arguments);
        }
    }
}
