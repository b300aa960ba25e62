package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.jerolba.carpet.CarpetWriter;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.records.DataException;
import dev.tegu.tokenizer.ChatTemplate;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Conversations as their template writes them, of which what the assistant says is learnt. */
final class ChatDataTest {
    /** Its BOS and EOS are the characters that the tokenizer has as such. */
    private static final ChatTemplate TEMPLATE =
            ChatTemplate.of(
                    """
                    {{- bos_token }}
                    {%- for message in messages %}
                        {%- if message.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}
                        {{- '<' + message.role[0:1] + '>' + message.content }}
                        {%- if message.role == 'assistant' %}{{ eos_token }}{% endif %}
                    {%- endfor %}
                    {%- if add_generation_prompt %}{{ '<a>' }}{% endif %}
                    """,
                    "\u0001", "\u0002");

    private static final CharTokenizer MARKS = new CharTokenizer(true, true);

    @TempDir Path dir;

    record Message(String role, String content) {}

    record Chat(String id, List<Message> messages) {}

    private Document[] documents(Path file, TextTokenizer tokenizer) {
        List<Document> documents = new ArrayList<>();
        new DocumentReader(
                        DataFormat.CHAT,
                        new DocumentEncoder(tokenizer, Packing.JOINED),
                        new ValidationSplit(0),
                        Optional.of(TEMPLATE))
                .read(file, (document, held) -> documents.add(document));
        return documents.toArray(Document[]::new);
    }

    private Path lines(String... lines) throws IOException {
        return Files.write(dir.resolve("a.jsonl"), List.of(lines));
    }

    private static String show(Document document, boolean labels) {
        StringBuilder shown = new StringBuilder();
        for (int token : document.tokens()) {
            int id = Token.id(token);
            char c = id == CharTokenizer.BOS ? '^' : id == CharTokenizer.EOS ? '$' : (char) id;
            shown.append(labels && !Token.isLearnt(token) ? '_' : c);
        }
        return shown.toString();
    }

    @Test
    void whatTheAssistantSaysIsLearntWithItsEndAndNothingElse() throws IOException {
        Path file =
                lines(
                        """
                        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}, \
                        {"role": "assistant", "content": "yo"}, {"role": "user", "content": "q"}, \
                        {"role": "assistant", "content": "bye"}]}""");

        Document[] documents = documents(file, MARKS);

        assertEquals(1, documents.length);
        assertEquals("^<s>S<u>hi<a>yo$<u>q<a>bye$", show(documents[0], false));
        assertEquals("_____________yo$_______bye$", show(documents[0], true).replace("^", "_"));
        assertTrue(Token.begins(documents[0].tokens()[0]));
    }

    @Test
    void shareGptReadsAsMessagesDo() throws IOException {
        Document[] messages =
                documents(
                        lines(
                                """
                                {"messages": [{"role": "system", "content": "S"}, \
                                {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"""),
                        MARKS);
        Document[] shareGpt =
                documents(
                        lines(
                                """
                                {"conversations": [{"from": "system", "value": "S"}, \
                                {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"""),
                        MARKS);

        assertArrayEquals(messages[0].tokens(), shareGpt[0].tokens());
    }

    @Test
    void aParquetColumnOfMessagesReadsAsLinesDo() throws IOException {
        Path file = dir.resolve("train-0.parquet");
        try (OutputStream out = Files.newOutputStream(file);
                CarpetWriter<Chat> writer = new CarpetWriter<>(out, Chat.class)) {
            writer.write(
                    new Chat(
                            "1", List.of(new Message("user", "a"), new Message("assistant", "b"))));
        }

        assertEquals("^<u>a<a>b$", show(documents(file, MARKS)[0], false));
        assertEquals("________b$", show(documents(file, MARKS)[0], true));
    }

    @Test
    void aTokenThatBeginsBeforeATurnAndEndsInItCountsAsTheTurns() throws IOException {
        TextTokenizer pairing = new Pairing();
        Path file =
                lines(
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
                                + " {\"role\": \"assistant\", \"content\": \"b\"}]}");

        Document document = documents(file, pairing)[0];

        // ">b" is one token, 9
        assertEquals("^<u>a<a\t$", show(document, false));
        assertEquals("_______\t$", show(document, true));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '#',
            value = {
                "{\"text\": \"a\"}|:1: expected the field `messages` or `conversations`",
                "{\"messages\": []}|:1: expected the field `messages`",
                "{\"messages\": [{\"role\": \"user\"}]}|:1: messages[0]: expected the field `content`",
                "{\"messages\": [{\"role\": \"user\", \"content\": null}]}"
                        + "|:1: messages[0]: `content`: expected a string, found a JSON null",
                "{\"messages\": [1]}|:1: messages[0]: expected a JSON object",
                "{\"conversations\": [{\"from\": \"bing\", \"value\": \"a\"}]}"
                        + "|:1: conversations[0]: `from`: expected human, gpt or system, found `bing`",
                "{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}"
                        + "|:1: the chat template refuses it: no tools"
            })
    void faultsNameTheirLine(String line, String expected) throws IOException {
        Path file = lines(line);

        DataException e = assertThrows(DataException.class, () -> documents(file, MARKS));

        assertTrue(e.getMessage().startsWith(file + expected), e.getMessage());
    }

    @Test
    void theTemplateIsReadWhenConversationsAreAndOnlyThen() throws IOException {
        Path file =
                lines(
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
                                + " {\"role\": \"assistant\", \"content\": \"b\"}]}");
        TokenFolder folder =
                new TokenFolder(
                        dir.resolve("data"),
                        MARKS,
                        "test",
                        () -> {
                            throw new CheckpointException("no chat template");
                        });

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () ->
                                folder.load(
                                        DataFiles.Split.TRAIN,
                                        List.of(file.toString()),
                                        DataFormat.CHAT,
                                        4));

        assertEquals("no chat template", e.getMessage());
        PackedDataset data =
                new TokenFolder(dir.resolve("data"), MARKS, "test", () -> TEMPLATE)
                        .load(DataFiles.Split.TRAIN, List.of(file.toString()), DataFormat.CHAT, 10);
        assertEquals(
                List.of(Sequence.IGNORED, (int) 'b', CharTokenizer.EOS),
                Arrays.stream(data.get(0).labels()).skip(7).boxed().toList());
    }

    /** Has one token, 9, for "&gt;b". */
    private static final class Pairing implements TextTokenizer {
        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            return MARKS.encode(text.replace(">b", "\t"), addSpecialTokens);
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            return MARKS.decode(ids, skipSpecialTokens).replace("\t", ">b");
        }

        @Override
        public OptionalInt bosId() {
            return MARKS.bosId();
        }

        @Override
        public OptionalInt eosId() {
            return MARKS.eosId();
        }

        @Override
        public int vocabSize() {
            return MARKS.vocabSize();
        }
    }
}
