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
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON as checkpoints need it: UTF-8, one object, no duplicate keys, nothing after the end. */
public final class StrictJson {

    /** Deeper than any header or configuration, far from the depth that exhausts the stack. */
    private static final int MAX_DEPTH = 100;

    static final JsonFactory FACTORY =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
                    .build();

    private static final ObjectMapper MAPPER =
            JsonMapper.builder(FACTORY)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .build();

    private StrictJson() {}

    /**
     * Reads a file that exists.
     *
     * @throws CheckpointException if the file is not one JSON object
     * @throws IOException if the disk fails
     */
    public static ObjectNode read(Path file) throws IOException {
        String where = file.getFileName().toString();
        JsonNode node;
        try {
            node = MAPPER.readTree(Files.readString(file, StandardCharsets.UTF_8));
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

    /**
     * @throws CharacterCodingException if the bytes are not UTF-8
     */
    static String decode(ByteBuffer bytes) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    }
}
