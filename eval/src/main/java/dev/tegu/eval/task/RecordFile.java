package dev.tegu.eval.task;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.records.DataException;
import dev.tegu.records.JsonRecords;
import dev.tegu.records.ParquetRecords;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/** A file of records: CSV, JSON Lines, a JSON array, or Parquet, told by its ending. */
final class RecordFile {
    private static final JsonMapper JSON = new JsonMapper();
    private static final TypeReference<LinkedHashMap<String, Object>> FIELDS =
            new TypeReference<>() {};

    /** Endings of files that can be read. */
    static final Set<String> ENDINGS = Set.of("csv", "jsonl", "ndjson", "json", "parquet");

    private RecordFile() {}

    /** Ending of a name, in small letters, without the dot. */
    static String ending(String name) {
        return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    }

    /**
     * @param header names of the columns of a CSV file without a line of names
     * @param visitor gets the fields of each record and where it stands
     * @throws DataException if the file cannot be read, or is not what its ending says
     */
    static void each(
            Path file, List<String> header, BiConsumer<Map<String, Object>, String> visitor) {
        String name = file.toString();
        JsonRecords.Visitor objects =
                (object, place) -> visitor.accept(JSON.convertValue(object, FIELDS), place);
        try {
            switch (ending(name)) {
                case "parquet" -> ParquetRecords.each(file, objects);
                case "csv" -> CsvRecords.each(name, text(file), header, visitor);
                default -> json(name, text(file), objects);
            }
        } catch (CharacterCodingException e) {
            throw new DataException(file + ": not UTF-8 text; convert it to UTF-8", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static String text(Path file) throws IOException {
        String text = Files.readString(file);
        return text.startsWith("\uFEFF") ? text.substring(1) : text;
    }

    private static void json(String name, String text, JsonRecords.Visitor visitor)
            throws IOException {
        try (BufferedReader reader = new BufferedReader(new StringReader(text))) {
            if (text.stripLeading().startsWith("[")) {
                JsonRecords.eachElement(name, reader, visitor);
            } else {
                JsonRecords.eachLine(name, reader, visitor);
            }
        }
    }
}
