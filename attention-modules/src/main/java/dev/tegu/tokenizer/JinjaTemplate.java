package dev.tegu.tokenizer;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.time.LocalDateTime;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One Jinja template, run as transformers sets Jinja up for chat templates: blocks leave no line
 * behind ({@code trim_blocks}, {@code lstrip_blocks}), {@code break} and {@code continue} work, and
 * there are {@code raise_exception}, {@code strftime_now}, {@code tojson} and {@code {% generation
 * %}}. Python's methods of texts are those of {@link PythonText}.
 */
final class JinjaTemplate {
    /** Stands in the output where a generation block begins: no character of any text. */
    static final char GENERATION_BEGINS = '\uFDD0';

    /** Stands in the output where a generation block ends. */
    static final char GENERATION_ENDS = '\uFDD1';

    /** A named argument with a filter in a sum, which the library takes for a sum of arguments. */
    private static final Pattern FILTERED = Pattern.compile("(\\w+)=(\\w+\\|\\w+ [-+] \\d+)");

    /**
     * What templates are told of the time, whenever they run: data must not change from one day to
     * the next. It is the day that Llama 3's template falls back to.
     */
    private static final LocalDateTime NOW = LocalDateTime.of(2024, 7, 26, 0, 0);

    private static final Pattern GENERATION = Pattern.compile("\\{%-?\\s*generation\\s*-?%}");

    /** The library knows no step in slices; this is the one that templates use. */
    private static final Pattern REVERSED = Pattern.compile("(\\w+)\\[::-1\\]");

    /** Where the library can be like Python's Jinja, and is not unless told so. */
    static final LegacyOverrides LANGUAGE =
            LegacyOverrides.newBuilder()
                    .withEvaluateMapKeys(true)
                    .withIterateOverMapKeys(true)
                    .withUseNaturalOperatorPrecedence(true)
                    .withUseTrimmingForNotesAndExpressions(true)
                    .withKeepNullableLoopValues(true)
                    .withHandleBackslashInQuotesOnly(true)
                    .build();

    /**
     * White space between the beginning of a line and a block or comment. The library's own {@code
     * lstrip_blocks} takes it away behind other text, too.
     */
    private static final Pattern INDENTED = Pattern.compile("(?m)^[ \\t]+(?=\\{[%#](?!\\+))");

    /**
     * A comment, the line feed behind it ({@code trim_blocks}) and the white space that its minus
     * signs take away. The library knows neither, and lets a minus behind a comment reach before
     * it.
     */
    private static final Pattern COMMENT =
            Pattern.compile("(?s)(\\s*\\{#-|\\{#).*?(-#\\}\\s*|#\\}\\n?)");

    /** Writes nothing, and ends the reach of a minus sign. */
    private static final String NOTHING = "{{ '' }}";

    private final Jinjava jinjava;
    private final String source;

    JinjaTemplate(String source) {
        String whole = source.endsWith("\n") ? source.substring(0, source.length() - 1) : source;
        String flush = INDENTED.matcher(whole).replaceAll("");
        String bare = COMMENT.matcher(flush).replaceAll(NOTHING);
        String reversed = REVERSED.matcher(bare).replaceAll("($1|reverse|list)");
        this.source = FILTERED.matcher(reversed).replaceAll("$1=($2)");
        this.jinjava =
                new Jinjava(
                        JinjavaConfig.newBuilder()
                                .withTrimBlocks(true)
                                .withKeepTrailingNewline(true)
                                .withNestedInterpretationEnabled(false)
                                .withLegacyOverrides(LANGUAGE)
                                .withElResolver(PythonText.RESOLVER)
                                .build());
        jinjava.getGlobalContext().registerFilter(new PythonJson());
        jinjava.getGlobalContext().registerFilter(PythonText.TRIM);
        jinjava.getGlobalContext().registerTag(new Generation());
        jinjava.getGlobalContext().registerTag(new JinjaLoop());
        jinjava.getGlobalContext().registerFunction(function("raise_exception", "raise"));
        jinjava.getGlobalContext().registerFunction(function("strftime_now", "now"));
    }

    private static ELFunctionDefinition function(String name, String method) {
        return new ELFunctionDefinition("", name, JinjaTemplate.class, method, String.class);
    }

    /** Whether the template itself says what a model generates. */
    boolean marksGeneration() {
        return GENERATION.matcher(source).find();
    }

    /**
     * @throws ChatTemplateException if the template has a fault or refuses its variables
     */
    String render(Map<String, Object> variables) {
        RenderResult result = jinjava.renderForResult(source, variables);
        for (TemplateError error : result.getErrors()) {
            throw failed(error);
        }
        return result.getOutput();
    }

    private static ChatTemplateException failed(TemplateError error) {
        for (Throwable e = error.getException(); e != null; e = e.getCause()) {
            if (e instanceof ChatTemplateException refused) {
                return refused;
            }
        }
        return new ChatTemplateException(
                ("the chat template fails in line " + error.getLineno() + ": ")
                        + error.getMessage().lines().findFirst().orElse(""));
    }

    /** What a template calls to refuse a conversation. */
    @SuppressWarnings("DoNotCallSuggester")
    public static String raise(String message) {
        throw new ChatTemplateException("the chat template refuses it: " + message);
    }

    /** {@link #NOW} in the form of C's strftime, as far as templates use it. */
    public static String now(String format) {
        return Strftime.format(NOW, format);
    }

    /** The block around what a model generates. */
    private static final class Generation implements Tag {
        private static final long serialVersionUID = 1L;

        @Override
        public String getName() {
            return "generation";
        }

        @Override
        public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
            StringBuilder text = new StringBuilder().append(GENERATION_BEGINS);
            for (Node child : tag.getChildren()) {
                text.append(child.render(interpreter));
            }
            return text.append(GENERATION_ENDS).toString();
        }
    }
}
