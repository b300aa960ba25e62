package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Templates in the styles that models come with, against texts written by hand; what the assistant
 * says stands between ⟦ and ⟧.
 */
final class ChatTemplateTest {
    private static final String CHATML =
            """
            {% for message in messages %}
            {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
            {%- endfor %}
            {% if add_generation_prompt %}
            {{ '<|im_start|>assistant\\n' }}
            {%- endif %}
            """;

    private static final String INST =
            "{% if messages[0]['role'] == 'system' %}"
                    + "{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}"
                    + "{% else %}{% set turns = messages %}{% set system = false %}{% endif %}"
                    + "{% for message in turns %}"
                    + "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
                    + "{{ raise_exception('user and assistant take turns') }}{% endif %}"
                    + "{% if loop.index0 == 0 and system != false %}"
                    + "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
                    + "{% else %}{% set content = message['content'] %}{% endif %}"
                    + "{% if message['role'] == 'user' %}"
                    + "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
                    + "{% elif message['role'] == 'assistant' %}"
                    + "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";

    private static final String HEADERS =
            """
            {{- bos_token }}
            {%- for message in messages %}
                {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
                {{- message.content | trim + '<|eot_id|>' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
            {%- endif %}
            """;

    /** A literal line feed inside of the texts, and lines of blocks that leave nothing behind. */
    private static final String ZEPHYR =
            """
            {% for message in messages %}
            {% if message['role'] == 'user' %}
            {{ '<|user|>
            ' + message['content'] + eos_token }}
            {% elif message['role'] == 'system' %}
            {{ '<|system|>
            ' + message['content'] + eos_token }}
            {% elif message['role'] == 'assistant' %}
            {{ '<|assistant|>
            '  + message['content'] + eos_token }}
            {% endif %}
            {% if loop.last and add_generation_prompt %}
            {{ '<|assistant|>' }}
            {% endif %}
            {% endfor %}
            """;

    private static final String NAMESPACE =
            """
            {%- set ns = namespace(turn=0, system='') -%}
            {%- for message in messages if message.role == 'system' -%}
                {%- set ns.system = message.content -%}
            {%- endfor -%}
            {{ bos_token }}{{ ns.system }}
            {%- for message in messages -%}
                {%- if message.role == 'user' -%}
                    {%- set ns.turn = ns.turn + 1 -%}
                    {{ '<Q' ~ ns.turn ~ '>' + message.content }}
                {%- elif message.role == 'assistant' -%}
                    {%- if ns.turn == 0 %}{{ raise_exception('an answer before a question') }}{% endif -%}
                    {{ '<A>' + message.content + eos_token }}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<A>' }}{% endif -%}
            """;

    @TempDir Path dir;

    static List<Map<String, Object>> messages(String... rolesAndContents) {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < rolesAndContents.length; i += 2) {
            Map<String, Object> message = new LinkedHashMap<>();
            message.put("role", rolesAndContents[i]);
            message.put("content", rolesAndContents[i + 1]);
            messages.add(message);
        }
        return messages;
    }

    private static final List<Map<String, Object>> CONVERSATION =
            messages(
                    "system", "Be brief.",
                    "user", "Hi ",
                    "assistant", "Hello {{ you }}!",
                    "user", "Bye",
                    "assistant", "See you");

    private static ChatTemplate template(String source) {
        return ChatTemplate.of(source, "<s>", "</s>");
    }

    /** The text of a conversation, what is learnt of it in brackets. */
    private static String show(ChatTemplate.Rendering rendering) {
        StringBuilder shown = new StringBuilder(rendering.text());
        for (int i = rendering.learnt().size() - 1; i >= 0; i--) {
            ChatTemplate.Span span = rendering.learnt().get(i);
            shown.insert(span.to(), '⟧').insert(span.from(), '⟦');
        }
        return shown.toString();
    }

    private static String conversation(String source) {
        return show(template(source).conversation(CONVERSATION));
    }

    /** The right sides are Python's, of Jinja 3.1 with trim_blocks and lstrip_blocks. */
    @Test
    void whiteSpaceAroundBlocksAndCommentsIsThatOfJinja() {
        Map<String, String> expected =
                Map.of(
                        "A\n{# c #}\nB", "A\nB",
                        "A\n{# c\n d #}\n{%- if true %}C{% endif %}", "A\nC",
                        "A {% if true %} B {% endif %} C\n{# x -#}  \n D {#- y #} E",
                                "A  B  C\nD E",
                        "A\n  {# a #}{# b #}\n\t{%- if true -%}\n x {%endif %}\n  y", "A\nx   y",
                        "[INST] {% if true %}x{% endif %}", "[INST] x");
        expected.forEach(
                (source, text) ->
                        assertEquals(text, new JinjaTemplate(source).render(Map.of()), source));
    }

    @Test
    void chatMl() {
        assertEquals(
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n"
                        + "<|im_start|>assistant\n⟦Hello {{ you }}!<|im_end|>\n⟧"
                        + "<|im_start|>user\nBye<|im_end|>\n"
                        + "<|im_start|>assistant\n⟦See you<|im_end|>\n⟧",
                conversation(CHATML));
        assertEquals(
                "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
                template(CHATML).render(messages("user", "Hi"), true));
    }

    @Test
    void instructionsInBrackets() {
        assertEquals(
                "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]⟦ Hello {{ you }}! </s>⟧"
                        + "<s>[INST] Bye [/INST]⟦ See you </s>⟧",
                conversation(INST));
        assertEquals("<s>[INST] Hi [/INST]", template(INST).render(messages("user", "Hi"), true));
    }

    @Test
    void headersBeforeEachTurn() {
        assertEquals(
                "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n⟦Hello {{ you }}!<|eot_id|>⟧"
                        + "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n⟦See you<|eot_id|>⟧",
                conversation(HEADERS));
    }

    @Test
    void linesOfBlocksLeaveNothingBehind() {
        // The prompt ends without the line feed that the turn has behind its mark.
        assertEquals(
                "<|system|>\nBe brief.</s>\n<|user|>\nHi </s>\n<|assistant|>\n⟦Hello {{ you }}!</s>\n⟧"
                        + "<|user|>\nBye</s>\n<|assistant|>\n⟦See you</s>\n⟧",
                conversation(ZEPHYR));
        assertEquals(
                "<|user|>\nHi</s>\n<|assistant|>\n",
                template(ZEPHYR).render(messages("user", "Hi"), true));
    }

    @Test
    void namespacesKeepWhatLoopsFind() {
        assertEquals(
                "<s>Be brief.<Q1>Hi <A>⟦Hello {{ you }}!</s>⟧<Q2>Bye<A>⟦See you</s>⟧",
                conversation(NAMESPACE));
    }

    @Test
    void whatATemplateRefusesIsRefusedInItsWords() {
        ChatTemplateException turns =
                assertThrows(
                        ChatTemplateException.class,
                        () -> template(INST).render(messages("user", "a", "user", "b"), false));
        ChatTemplateException early =
                assertThrows(
                        ChatTemplateException.class,
                        () -> template(NAMESPACE).conversation(messages("assistant", "a")));

        assertEquals(
                "the chat template refuses it: user and assistant take turns", turns.getMessage());
        assertEquals(
                "the chat template refuses it: an answer before a question", early.getMessage());
    }

    @Test
    void generationBlocksSayWhatIsLearnt() {
        String source =
                """
                {%- for message in messages %}
                    {%- if message.role == 'assistant' %}
                        {{- '<A>' }}{% generation %}{{ message.content + '.' }}{% endgeneration %}
                        {{- eos_token }}
                    {%- else %}
                        {{- '<Q>' + message.content }}
                    {%- endif %}
                {%- endfor %}
                """;

        assertEquals(
                "<Q>Be brief.<Q>Hi <A>⟦Hello {{ you }}!.⟧</s><Q>Bye<A>⟦See you.⟧</s>",
                conversation(source));
        assertEquals("<Q>a", template(source).render(messages("user", "a"), false));
    }

    @Test
    void turnsThatChangeWhenOthersFollowAreRefused() {
        String forgetful =
                "{% for m in messages %}{{ '<' + m.role + '>' }}"
                        + "{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
                        + "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";
        String promptless =
                "{% for m in messages %}{{ m.content }}{% endfor %}"
                        + "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";

        ChatTemplateException later =
                assertThrows(ChatTemplateException.class, () -> conversation(forgetful));
        ChatTemplateException asked =
                assertThrows(ChatTemplateException.class, () -> conversation(promptless));

        assertTrue(
                later.getMessage()
                        .startsWith(
                                "the chat template writes message 3 differently when others follow"),
                later.getMessage());
        assertTrue(
                asked.getMessage()
                        .startsWith(
                                "the chat template writes message 3 differently when it is asked"),
                asked.getMessage());
        assertTrue(later.getMessage().contains("{% generation %}"), later.getMessage());
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '#',
            value = {
                "{{ messages | tojson }}§[{\"role\": \"user\", \"content\": \"a</think>\\n b\"}]",
                "{{ [1, 2.5, none, true] | tojson(indent=1) }}§[~ 1,~ 2.5,~ null,~ true~]",
                "{{ {} | tojson }}§{}",
                "{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }}§# b#",
                "{{ messages[0].content.split() | length }}§2",
                "{{ messages[-1].content.startswith('a<') and not 'x'.endswith('y') }}§true",
                "{{ 'a-b'.replace('-', '+').upper().strip('A') }}§+B",
                "{{ 'one two'.title() }}{{ 'ONE'.lower().capitalize() }}{{ '  x '.rstrip() }}"
                        + "§#One TwoOne  x#",
                "{% for m in messages[::-1] %}{{ m.role }}{% endfor %}§user",
                "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
                        + "{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}§02",
                "{%- set ns = namespace(last=messages|length - 1) %}{{ ns.last }}§0",
                "{% for i in range(6) if i % 2 == 1 %}{{ i }}{% if loop.last %}.{% endif %}"
                        + "{% else %}none{% endfor %}§135.",
                "{% for i in messages if i.role == 'x' %}{{ i }}{% else %}none{% endfor %}§none",
                "{% for i in ([1, 2] if messages else []) %}{{ i }}{% endfor %}§12",
                "{% for i in [1, 2] %}{% if i == 1 %}{% set x = 'a' %}{% endif %}[{{ x }}]"
                        + "{% endfor %}{{ x }}§[a][]",
                "{% for c in 'ab' %}{{ loop.index }}{{ c }}{% endfor %}§1a2b",
                "{% for k, v in messages[0].items() if k == 'role' %}{{ k }}={{ v }}{% endfor %}"
                        + "§role=user",
                "{{ strftime_now('%d %b %Y') }}§26 Jul 2024",
                "{{ unknown }}{{ unknown is defined }}{{ messages[0].name is none }}§falsetrue",
                "{% macro mark(x) %}<{{ x }}>{% endmacro %}{{ mark('a') }}§<a>",
                "{{ messages[0]['role'] if messages else 'none' }}{{- '!' }}~§user!"
            })
    void whatTemplatesUseOfJinjaAndPythonWorks(String source, String expected) {
        assertEquals(
                expected.replace('~', '\n'),
                template(source.replace('~', '\n'))
                        .render(messages("user", "a</think>\n b"), false));
    }

    /** Nothing of a message is read as part of the template, or written otherwise than it is. */
    @Test
    void everyCharacterOfAMessageStays() {
        StringBuilder all =
                new StringBuilder("{{ x }} {% if %} {# c #} \\n \\\\ \" ' <&> \u2028 \uD83D\uDE00");
        for (char c = 0; c < 256; c++) {
            all.append(c);
        }

        String text = template(CHATML).render(messages("user", all.toString()), false);

        assertEquals("<|im_start|>user\n" + all + "<|im_end|>\n", text);
        assertEquals(
                "\u0001x",
                template("{{ messages[0].content | trim }}")
                        .render(messages("user", " \u0001x\u00A0\n"), false));
    }

    @Test
    void aTemplateWithAFaultIsRefusedWithItsLine() {
        ChatTemplateException e =
                assertThrows(
                        ChatTemplateException.class,
                        () ->
                                template("a\n{{ 'x'.unheard() }}")
                                        .render(messages("user", "a"), false));

        assertTrue(
                e.getMessage().startsWith("the chat template fails in line 2: "), e.getMessage());
        assertTrue(e.getMessage().contains("`unheard` is not known"), e.getMessage());
    }

    @Test
    void datesHaveTheirPartsInEnglish() {
        assertEquals(
                "Friday 26 July 2024, 09:05:07 100%",
                Strftime.format(
                        LocalDateTime.of(2024, 7, 26, 9, 5, 7), "%A %d %B %Y, %H:%M:%S 100%%"));
        assertThrows(ChatTemplateException.class, () -> Strftime.format(LocalDateTime.MIN, "%j"));
    }

    @Test
    void theTemplateComesFromItsOwnFileOrFromTheConfiguration() throws IOException {
        ObjectNode config = StrictJson.object();
        config.put("bos_token", "<s>").putObject("eos_token").put("content", "<end>");
        config.put("chat_template", "{{ bos_token }}text{{ eos_token }}");
        Path file = dir.resolve("tokenizer_config.json");

        Files.write(file, StrictJson.toBytes(config));
        assertEquals("<s>text<end>", read());

        config.putArray("chat_template").addObject().put("name", "tool_use").put("template", "t");
        config.withArray("chat_template")
                .addObject()
                .put("name", "default")
                .put("template", "named");
        Files.write(file, StrictJson.toBytes(config));
        assertEquals("named", read());

        Files.writeString(dir.resolve("chat_template.jinja"), "own file{{ eos_token }}\n");
        assertEquals("own file<end>", read());
    }

    @Test
    void marksThatTheConfigurationLeavesOutComeFromTheirMap() throws IOException {
        Files.writeString(dir.resolve("tokenizer_config.json"), "{\"bos_token\": null}");
        Files.writeString(
                dir.resolve("special_tokens_map.json"),
                "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"<end>\"}}");
        Files.writeString(dir.resolve("chat_template.jinja"), "{{ bos_token }}a{{ eos_token }}");

        assertEquals("a<end>", read());
    }

    private String read() throws IOException {
        return ChatTemplate.read(dir).render(messages("user", "a"), false);
    }

    @Test
    void aMissingTemplateNamesTheFileToAdd() {
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> ChatTemplate.read(dir));

        assertTrue(e.getMessage().startsWith(dir + ": no chat template"), e.getMessage());
        assertTrue(e.getMessage().contains("add chat_template.jinja"), e.getMessage());
    }

    @Test
    void charactersThatMarkBlocksAreRefusedInMessages() {
        ChatTemplateException e =
                assertThrows(
                        ChatTemplateException.class,
                        () -> template(CHATML).render(messages("user", "a\uFDD0"), false));

        assertTrue(e.getMessage().contains("U+FDD0"), e.getMessage());
    }

    @Test
    void aDirectorysTemplateIsPartOfItsTokenizersDigest() throws IOException {
        TinyTokenizer.write(dir);
        Map<String, String> digests =
                List.of("a", "b").stream()
                        .collect(Collectors.toMap(source -> source, this::digestWith));

        assertEquals(2, digests.values().stream().distinct().count(), digests.toString());
    }

    private String digestWith(String source) {
        try {
            Files.writeString(dir.resolve("chat_template.jinja"), source);
            try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(dir)) {
                assertEquals(source, tokenizer.chatTemplate().render(messages("user", "x"), false));
                return tokenizer.digest();
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
