package dev.tegu.distill.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Reads the documents of one data file, in order, as token ids. */
final class DocumentReader {
    private static final int PEEK = 8192;

    private final DataFormat format;
    private final DocumentEncoder encoder;

    DocumentReader(DataFormat format, TextTokenizer tokenizer) {
        this.format = format;
        this.encoder = new DocumentEncoder(tokenizer);
    }

    /**
     * @param sink takes the parts of the token stream in order: for running text the pieces of the
     *     one document, else one document a call
     * @throws DataException if the file is missing, empty, not UTF-8, or not in the format
     */
    void read(Path file, Consumer<Document> sink) {
        refuseUnreadable(file);
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            switch (format) {
                case TEXT -> readText(reader, sink);
                case JSONL -> readJsonLines(file, reader, sink);
                case ALPACA -> readAlpaca(file, reader, sink);
            }
        } catch (CharacterCodingException e) {
            throw new DataException(file + ": not UTF-8 text; convert it first", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static void refuseUnreadable(Path file) {
        if (Files.isDirectory(file)) {
            throw new DataException(file + ": expected a file, found a directory");
        }
        if (!Files.exists(file)) {
            throw new DataException(
                    file
                            + ": no such file; relative paths start at the current directory, "
                            + Path.of("").toAbsolutePath());
        }
        if (!Files.isReadable(file)) {
            throw new DataException(file + ": not readable; check its permissions");
        }
    }

    private void readText(BufferedReader reader, Consumer<Document> sink) throws IOException {
        TextPieces pieces = new TextPieces(new NewlineReader(reader), TextPieces.DEFAULT_LIMIT);
        String piece = pieces.next();
        if (piece.isEmpty()) {
            return;
        }
        sink.accept(new Document(encoder.opening(piece), 0));
        for (piece = pieces.next(); !piece.isEmpty(); piece = pieces.next()) {
            sink.accept(new Document(encoder.continuation(piece), 0));
        }
        sink.accept(new Document(encoder.closing(), 0));
    }

    private void readJsonLines(Path file, BufferedReader reader, Consumer<Document> sink)
            throws IOException {
        JsonRecords.eachLine(
                file.toString(), reader, (object, place) -> sink.accept(textOrPair(object, place)));
    }

    private Document textOrPair(JsonNode object, String place) {
        if (object.has("text")) {
            return encoder.whole(JsonRecords.text(object, "text", place));
        }
        if (object.has("prompt")) {
            return encoder.promptAndCompletion(
                    JsonRecords.text(object, "prompt", place),
                    JsonRecords.text(object, "completion", place));
        }
        throw new DataException(
                place + ": expected the field `text`, or `prompt` and `completion`");
    }

    private void readAlpaca(Path file, BufferedReader reader, Consumer<Document> sink)
            throws IOException {
        JsonRecords.Visitor visitor = (object, place) -> sink.accept(instruction(object, place));
        if (startsWithArray(reader)) {
            JsonRecords.eachElement(file.toString(), reader, visitor);
        } else {
            JsonRecords.eachLine(file.toString(), reader, visitor);
        }
    }

    private Document instruction(JsonNode object, String place) {
        String input = object.has("input") ? JsonRecords.text(object, "input", place) : "";
        return encoder.promptAndCompletion(
                AlpacaPrompt.of(JsonRecords.text(object, "instruction", place), input),
                JsonRecords.text(object, "output", place));
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
