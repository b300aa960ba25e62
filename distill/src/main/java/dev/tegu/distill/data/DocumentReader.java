package dev.tegu.distill.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.records.DataException;
import dev.tegu.records.JsonRecords;
import dev.tegu.records.ParquetRecords;
import dev.tegu.tokenizer.ChatTemplate;
import dev.tegu.tokenizer.ChatTemplateException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads the documents of one data file, in order, as token ids. */
final class DocumentReader {
    /** Characters of running text that are one choice of a {@link ValidationSplit}. */
    static final int BLOCK = 1 << 14;

    private static final int PEEK = 8192;

    private final DataFormat format;
    private final DocumentEncoder encoder;
    private final ValidationSplit split;
    private final Optional<ChatTemplate> template;

    /** Takes the parts of the token stream in order. */
    interface Sink {
        /**
         * @param document for running text a piece of the one document, else a whole one
         * @param held whether it belongs to the validation data
         */
        void accept(Document document, boolean held);
    }

    /**
     * @param split of the documents; running text is split by blocks of whole lines of about 16
     *     KiB, and blocks of one side that follow each other are one document
     * @param template present if the format is {@link DataFormat#CHAT}
     */
    DocumentReader(
            DataFormat format,
            DocumentEncoder encoder,
            ValidationSplit split,
            Optional<ChatTemplate> template) {
        this.format = format;
        this.encoder = encoder;
        this.split = split;
        this.template = template;
    }

    /**
     * @throws DataException if the file cannot be read, is not UTF-8, or not in the format
     */
    void read(Path file, Sink sink) {
        boolean isParquet = file.toString().endsWith(".parquet");
        JsonRecords.Visitor visitor = (object, place) -> record(object, place, sink);
        if (format == DataFormat.TEXT) {
            if (isParquet) {
                throw new DataException(
                        file + ": holds records, not running text; use `format: jsonl`");
            }
            DataText.read(file, reader -> readText(reader, sink));
        } else if (isParquet) {
            ParquetRecords.each(file, fields(), visitor);
        } else {
            DataText.read(file, reader -> readJson(file.toString(), reader, visitor));
        }
    }

    /** Fields of a record that are read. */
    private List<String> fields() {
        return switch (format) {
            case JSONL -> List.of("text", "prompt", "completion");
            case ALPACA -> List.of("instruction", "input", "output");
            case CHAT -> List.of("messages", "conversations");
            case TEXT -> List.of();
        };
    }

    private void readText(BufferedReader reader, Sink sink) throws IOException {
        int limit = split.part() > 0 ? BLOCK : TextPieces.DEFAULT_LIMIT;
        TextPieces pieces = new TextPieces(new NewlineReader(reader), limit);
        Optional<Boolean> open = Optional.empty();
        for (String piece = pieces.next(); !piece.isEmpty(); piece = pieces.next()) {
            boolean held = split.holds(piece);
            if (open.equals(Optional.of(held))) {
                sink.accept(encoder.continuation(piece), held);
            } else {
                open.ifPresent(before -> sink.accept(encoder.closing(), before));
                sink.accept(encoder.opening(piece), held);
                open = Optional.of(held);
            }
        }
        open.ifPresent(last -> sink.accept(encoder.closing(), last));
    }

    private static void readJson(String file, BufferedReader reader, JsonRecords.Visitor visitor)
            throws IOException {
        if (startsWithArray(reader)) {
            JsonRecords.eachElement(file, reader, visitor);
        } else {
            JsonRecords.eachLine(file, reader, visitor);
        }
    }

    private void record(JsonNode object, String place, Sink sink) {
        switch (format) {
            case JSONL -> textOrPair(object, place, sink);
            case ALPACA -> instruction(object, place, sink);
            case CHAT -> conversation(object, place, sink);
            case TEXT -> throw new IllegalStateException("running text has no records");
        }
    }

    private void textOrPair(JsonNode object, String place, Sink sink) {
        if (object.hasNonNull("text")) {
            String text = JsonRecords.text(object, "text", place);
            sink.accept(encoder.whole(text), split.holds(text));
        } else if (object.hasNonNull("prompt")) {
            pair(
                    JsonRecords.text(object, "prompt", place),
                    JsonRecords.text(object, "completion", place),
                    sink);
        } else {
            throw new DataException(
                    (place + ": expected the field `text`, or `prompt` and `completion`, found ")
                            + JsonRecords.names(object));
        }
    }

    private void instruction(JsonNode object, String place, Sink sink) {
        String input = object.hasNonNull("input") ? JsonRecords.text(object, "input", place) : "";
        pair(
                AlpacaPrompt.of(JsonRecords.text(object, "instruction", place), input),
                JsonRecords.text(object, "output", place),
                sink);
    }

    private void pair(String prompt, String completion, Sink sink) {
        sink.accept(
                encoder.promptAndCompletion(prompt, completion), split.holds(prompt, completion));
    }

    private void conversation(JsonNode object, String place, Sink sink) {
        List<Map<String, Object>> messages = ChatMessages.of(object, place);
        try {
            ChatTemplate.Rendering rendering = template.orElseThrow().conversation(messages);
            sink.accept(encoder.conversation(rendering), split.holds(ChatMessages.texts(messages)));
        } catch (ChatTemplateException e) {
            throw new DataException(place + ": " + e.getMessage(), e);
        }
    }

    private static boolean startsWithArray(BufferedReader reader) throws IOException {
        reader.mark(PEEK);
        int found = reader.read();
        for (int i = 1; i < PEEK && found >= 0 && Character.isWhitespace(found); i++) {
            found = reader.read();
        }
        reader.reset();
        return found == '[';
    }
}
