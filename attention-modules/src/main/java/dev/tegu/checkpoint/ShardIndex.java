package dev.tegu.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The index of a checkpoint in several files: {@code weight_map}, file by tensor name. Read as a
 * stream, so that memory is in the order of the tensors, whose number is bounded.
 *
 * <p>A file is a plain name in the index's own folder; paths are not followed.
 */
final class ShardIndex {
    /** Twice as many as the largest models have. */
    private static final int MAX_TENSORS = 200_000;

    /** A hundred bytes a tensor and some notes. */
    private static final long MAX_BYTES = 64L << 20;

    private final Path file;
    private final String extension;
    private final SortedMap<String, String> shards = new TreeMap<>();

    private ShardIndex(Path file, String extension) {
        this.file = file;
        this.extension = extension;
    }

    /**
     * @param extension that every shard's name ends with, {@code .safetensors} or {@code .bin}
     * @return shard of each tensor, by tensor name; at least one
     * @throws CheckpointException if this is no index, or a shard's name is not a plain one
     */
    static SortedMap<String, String> read(Path file, String extension) throws IOException {
        FileBytes.requireRegular(file);
        ShardIndex index = new ShardIndex(file, extension);
        if (Files.size(file) > MAX_BYTES) {
            throw index.broken("has " + Files.size(file) + " bytes, the limit is 64 MiB");
        }
        try (InputStream in = Files.newInputStream(file);
                JsonParser parser = StrictJson.FACTORY.createParser(StrictJson.utf8(in))) {
            index.read(parser);
        } catch (CharacterCodingException e) {
            throw index.broken("not UTF-8 text");
        } catch (JsonProcessingException e) {
            throw index.broken(StrictJson.describe(e));
        }
        if (index.shards.isEmpty()) {
            throw index.broken("no `weight_map` of tensors to files");
        }
        return index.shards;
    }

    private void read(JsonParser parser) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw broken("expected a JSON object, found something else");
        }
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            boolean isMap = parser.currentName().equals("weight_map");
            JsonToken value = parser.nextToken();
            if (isMap && value == JsonToken.START_OBJECT) {
                readMap(parser);
            } else {
                parser.skipChildren();
            }
        }
        if (parser.nextToken() != null) {
            throw broken("goes on after its closing bracket");
        }
    }

    private void readMap(JsonParser parser) throws IOException {
        String last = "";
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String tensor = parser.currentName();
            boolean isText = parser.nextToken() == JsonToken.VALUE_STRING;
            String shard = parser.getText();
            if (!isText || !isPlainName(shard)) {
                throw new CheckpointException(
                        file.getFileName()
                                + (": tensor `" + tensor + "`: `" + shard + "` is not the plain")
                                + (" name of a " + extension + " file; paths are not followed"));
            }
            // Neighbours are mostly in one shard: keep its name once.
            last = shard.equals(last) ? last : shard;
            shards.put(tensor, last);
            if (shards.size() > MAX_TENSORS) {
                throw broken("lists more than " + MAX_TENSORS + " tensors");
            }
        }
    }

    /** Whether the name can only mean a file in the directory itself. */
    private boolean isPlainName(String name) {
        return name.endsWith(extension)
                && !name.startsWith(".")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    }

    private CheckpointException broken(String what) throws IOException {
        return new CheckpointException(
                file.getFileName()
                        + FileKind.of(file).because()
                        + (": " + what + "; fetch the index again"));
    }
}
