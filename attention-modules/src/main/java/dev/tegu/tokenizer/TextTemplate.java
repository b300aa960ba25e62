package dev.tegu.tokenizer;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.AutoCloseableSupplier.AutoCloseableImpl;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import java.util.List;
import java.util.Map;

/**
 * A Jinja template over the fields of a record, run as lm-evaluation-harness sets Jinja up for its
 * tasks: blocks leave their line ends behind, a newline at the end stays, and a name that is not
 * there is an error. Python's methods of texts are those of {@link PythonText}.
 */
public final class TextTemplate {
    private static final String OPEN = "{{";
    private static final String CLOSE = "}}";
    private static final Jinjava JINJAVA = jinjava();

    private final String source;

    private TextTemplate(String source) {
        this.source = source;
    }

    /** A template of that text. */
    public static TextTemplate of(String source) {
        return new TextTemplate(source);
    }

    /**
     * The text that the template makes.
     *
     * @param fields texts, numbers, booleans, lists and maps of these, by name
     * @throws IllegalArgumentException in one line, if the template has a fault or names what is
     *     not there
     */
    public String render(Map<String, ?> fields) {
        RenderResult result = JINJAVA.renderForResult(source, fields);
        for (TemplateError error : result.getErrors()) {
            throw failed(error.getMessage());
        }
        return result.getOutput();
    }

    /**
     * What the template stands for: if it is one expression in double braces and nothing else, the
     * expression's value, lists and numbers too; otherwise its text.
     *
     * @throws IllegalArgumentException as {@link #render}
     */
    public Object value(Map<String, ?> fields) {
        if (!isExpression(source)) {
            return render(fields);
        }
        String expression = source.substring(OPEN.length(), source.length() - CLOSE.length());
        Context context = new Context(JINJAVA.getGlobalContext(), fields);
        JinjavaInterpreter interpreter =
                new JinjavaInterpreter(JINJAVA, context, JINJAVA.getGlobalConfig());
        try (AutoCloseableImpl<JinjavaInterpreter> current =
                JinjavaInterpreter.closeablePushCurrent(interpreter).get()) {
            Object value = current.value().resolveELExpression(expression, 1);
            List<TemplateError> errors = interpreter.getErrors();
            if (!errors.isEmpty()) {
                throw failed(errors.get(0).getMessage());
            }
            return value == null ? "" : value;
        } catch (InterpretException e) {
            throw failed(e.getMessage());
        }
    }

    private static boolean isExpression(String text) {
        return text.startsWith(OPEN)
                && text.endsWith(CLOSE)
                && text.indexOf(OPEN, OPEN.length()) < 0
                && text.indexOf(CLOSE) == text.length() - CLOSE.length();
    }

    private IllegalArgumentException failed(String message) {
        String line = message.lines().findFirst().orElse("");
        String told = line.replaceFirst("^UnknownTokenException: ", "");
        return new IllegalArgumentException("the template `" + oneLine() + "` fails: " + told);
    }

    private String oneLine() {
        return source.replace("\n", "\\n");
    }

    private static Jinjava jinjava() {
        Jinjava jinjava =
                new Jinjava(
                        JinjavaConfig.newBuilder()
                                .withKeepTrailingNewline(true)
                                .withNestedInterpretationEnabled(false)
                                .withFailOnUnknownTokens(true)
                                .withLegacyOverrides(JinjaTemplate.LANGUAGE)
                                .withElResolver(PythonText.RESOLVER)
                                .build());
        jinjava.getGlobalContext().registerFilter(new PythonJson());
        jinjava.getGlobalContext().registerFilter(PythonText.TRIM);
        jinjava.getGlobalContext().registerTag(new JinjaLoop());
        return jinjava;
    }
}
