package dev.tegu.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON as checkpoints need it: UTF-8, one object, no duplicate keys, nothing after the end. */
public final class StrictJson {

    /** Deeper than any header or configuration, far from the depth that exhausts the stack. */
    private static final int MAX_DEPTH = 100;

    /** Longer than any name, template or note in these files. */
    private static final int MAX_TEXT = 4_000_000;

    /** Longer than any tensor's name. */
    private static final int MAX_NAME = 10_000;

    static final JsonFactory FACTORY =
            JsonFactory.builder()
                    // names are a tensor's, seldom seen twice: a table of them only costs time
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(MAX_DEPTH)
                                    .maxStringLength(MAX_TEXT)
                                    .maxNameLength(MAX_NAME)
                                    .build())
                    .build();

    private static final ObjectMapper MAPPER =
            JsonMapper.builder(FACTORY)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .build();

    private StrictJson() {}

    /**
     * Reads a file of up to 64 MiB, the size of the largest tokenizers twice over.
     *
     * @throws CheckpointException if the file is missing, is too large, or is not one JSON object
     * @throws IOException if the disk fails
     */
    public static ObjectNode read(Path file) throws IOException {
        return read(file, 64L << 20);
    }

    /**
     * As {@link #read(Path)}.
     *
     * @param maxBytes a tree takes up to thirty times as much memory
     */
    static ObjectNode read(Path file, long maxBytes) throws IOException {
        String where = file.getFileName().toString();
        FileBytes.requireRegular(file);
        if (Files.size(file) > maxBytes) {
            throw new CheckpointException(
                    where
                            + (": has " + Files.size(file) + " bytes, the limit is " + maxBytes)
                            + "; check that this is the right file, or fetch it again");
        }
        JsonNode node;
        try (InputStream in = Files.newInputStream(file)) {
            node = MAPPER.readTree(utf8(in));
        } catch (CharacterCodingException e) {
            throw new CheckpointException(where + ": not UTF-8 text; fetch the file again", e);
        } catch (JsonProcessingException e) {
            throw new CheckpointException(
                    where + FileKind.of(file).because() + ": " + describe(e), e);
        }
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw new CheckpointException(
                where
                        + FileKind.of(file).because()
                        + ": expected a JSON object, found something else; fetch the file again");
    }

    /** What is wrong, with line and column, on one line. */
    static String describe(JsonProcessingException e) {
        String place =
                e.getLocation() == null
                        ? ""
                        : " at line "
                                + e.getLocation().getLineNr()
                                + ", column "
                                + e.getLocation().getColumnNr();
        return "not valid JSON"
                + place
                + ": "
                + e.getOriginalMessage().lines().findFirst().orElse("");
    }

    /** Indented JSON with a newline at its end; the same tree always gives the same bytes. */
    public static byte[] toBytes(JsonNode node) throws IOException {
        return (MAPPER.writeValueAsString(node) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** An empty object. */
    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** Text that is UTF-8; reading anything else throws {@link CharacterCodingException}. */
    static Reader utf8(InputStream bytes) {
        return new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder());
    }
}
