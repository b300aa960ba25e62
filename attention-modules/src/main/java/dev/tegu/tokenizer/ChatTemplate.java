package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How a model wants conversations written: the Jinja template that comes with its tokenizer,
 * rendered as transformers' {@code apply_chat_template} does.
 *
 * <p>The template is the file {@code chat_template.jinja}, else {@code chat_template} in {@code
 * tokenizer_config.json}: a text, or a list of named ones of which {@code default} is taken. It
 * reads {@code messages}, {@code add_generation_prompt} and the spellings of the tokenizer's marks
 * ({@code bos_token}, {@code eos_token}, from {@code tokenizer_config.json}, else {@code
 * special_tokens_map.json}), and writes all marks itself: its text is encoded without special
 * tokens.
 *
 * @see <a href="https://huggingface.co/docs/transformers/chat_templating">Chat templates</a>
 */
public final class ChatTemplate {
    private static final String FILE = "chat_template.jinja";
    private static final String CONFIG = "tokenizer_config.json";
    private static final List<String> SPECIAL_TOKENS =
            List.of("bos_token", "eos_token", "unk_token", "pad_token");

    private final JinjaTemplate template;
    private final Map<String, Object> tokens;

    /** A part of a text, from one character to before another. */
    public record Span(int from, int to) {}

    /**
     * A conversation as text.
     *
     * @param text with all marks
     * @param learnt what the assistant says, in order, the mark that ends its turn included
     */
    public record Rendering(String text, List<Span> learnt) {
        /** Takes a copy. */
        public Rendering {
            learnt = List.copyOf(learnt);
        }
    }

    private ChatTemplate(JinjaTemplate template, Map<String, Object> tokens) {
        this.template = template;
        this.tokens = tokens;
    }

    /**
     * @param source Jinja text
     * @param bosToken spelling of BOS, empty if there is none
     * @param eosToken spelling of EOS, empty if there is none
     */
    public static ChatTemplate of(String source, String bosToken, String eosToken) {
        return new ChatTemplate(
                new JinjaTemplate(source), Map.of("bos_token", bosToken, "eos_token", eosToken));
    }

    /**
     * Reads the template of a model directory.
     *
     * @throws CheckpointException if there is none
     */
    public static ChatTemplate read(Path dir) throws IOException {
        ObjectNode config = readIfThere(dir.resolve(CONFIG));
        ObjectNode map = readIfThere(dir.resolve("special_tokens_map.json"));
        Map<String, Object> tokens = new HashMap<>();
        for (String name : SPECIAL_TOKENS) {
            JsonNode token = config.has(name) ? config.path(name) : map.path(name);
            JsonNode text = token.isObject() ? token.path("content") : token;
            if (text.isTextual()) {
                tokens.put(name, text.textValue());
            }
        }
        return new ChatTemplate(
                new JinjaTemplate(source(dir, config.path("chat_template"))), tokens);
    }

    private static ObjectNode readIfThere(Path file) throws IOException {
        return Files.isRegularFile(file) ? StrictJson.read(file) : StrictJson.object();
    }

    private static String source(Path dir, JsonNode inConfig) throws IOException {
        Path file = dir.resolve(FILE);
        if (Files.isRegularFile(file)) {
            return Files.readString(file);
        }
        if (inConfig.isTextual()) {
            return inConfig.textValue();
        }
        for (JsonNode named : inConfig) {
            if (named.path("name").asText().equals("default")) {
                return named.path("template").asText();
            }
        }
        throw new CheckpointException(
                dir
                        + ": no chat template: there is no "
                        + FILE
                        + ", and no `chat_template` (with the name `default`, if there are several)"
                        + " in "
                        + CONFIG
                        + "; add "
                        + FILE
                        + " from the model's chat version, or use `format: jsonl`");
    }

    /**
     * Writes a conversation.
     *
     * @param messages maps with {@code role}, {@code content} and whatever else the template reads
     * @param addGenerationPrompt whether the opening of an assistant's turn follows
     * @throws ChatTemplateException if the template refuses it, or is none that we can run
     */
    public String render(List<Map<String, Object>> messages, boolean addGenerationPrompt) {
        return withoutMarks(raw(messages, addGenerationPrompt)).text();
    }

    /**
     * Writes a conversation and finds what the assistant says in it: what stands in the template's
     * blocks {@code {% generation %}}, where it has some; else, for each turn of the assistant,
     * what it adds to the conversation before it, which ends with the opening of that turn.
     *
     * @throws ChatTemplateException also if the template writes a turn differently once others
     *     follow, so that it cannot be found that way
     */
    public Rendering conversation(List<Map<String, Object>> messages) {
        if (template.marksGeneration()) {
            return withoutMarks(raw(messages, false));
        }
        String whole = render(messages, false);
        List<Span> learnt = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if ("assistant".equals(messages.get(i).get("role"))) {
                String before = render(messages.subList(0, i), true);
                String after = render(messages.subList(0, i + 1), false);
                if (!after.startsWith(before) || !whole.startsWith(after)) {
                    throw new ChatTemplateException(
                            ("the chat template writes message " + (i + 1) + " differently when ")
                                    + (after.startsWith(before) ? "others follow" : "it is asked")
                                    + ", so what the assistant says cannot be told from the rest;"
                                    + " mark it in the template with {% generation %} and"
                                    + " {% endgeneration %}");
                }
                learnt.add(new Span(before.length(), after.length()));
            }
        }
        return new Rendering(whole, learnt);
    }

    private String raw(List<Map<String, Object>> messages, boolean addGenerationPrompt) {
        String texts = messages.toString();
        if (texts.indexOf(JinjaTemplate.GENERATION_BEGINS) >= 0
                || texts.indexOf(JinjaTemplate.GENERATION_ENDS) >= 0) {
            throw new ChatTemplateException(
                    "a message holds U+FDD0 or U+FDD1, which are no characters; remove them");
        }
        Map<String, Object> variables = new HashMap<>(tokens);
        variables.put("messages", messages);
        variables.put("add_generation_prompt", addGenerationPrompt);
        return template.render(variables);
    }

    /** Takes the marks of generation blocks out of a text. */
    private static Rendering withoutMarks(String raw) {
        StringBuilder text = new StringBuilder(raw.length());
        List<Span> learnt = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == JinjaTemplate.GENERATION_BEGINS) {
                from = text.length();
            } else if (c == JinjaTemplate.GENERATION_ENDS) {
                learnt.add(new Span(from, text.length()));
            } else {
                text.append(c);
            }
        }
        return new Rendering(text.toString(), learnt);
    }
}
