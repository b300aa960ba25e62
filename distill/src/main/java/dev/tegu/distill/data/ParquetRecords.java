package dev.tegu.distill.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.jerolba.carpet.CarpetReader;
import com.jerolba.carpet.CloseableIterator;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;

/** The rows of a Parquet file as JSON objects, a column a field, one row group at a time. */
final class ParquetRecords {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String MAGIC = "PAR1";

    private ParquetRecords() {}

    /**
     * @throws DataException if the file is not Parquet, or damaged
     */
    static void each(Path file, JsonRecords.Visitor visitor) {
        refuseForeign(file);
        long row = 0;
        try (CloseableIterator<?> rows = open(file)) {
            for (Object next = next(file, rows); next != null; next = next(file, rows)) {
                row++;
                visitor.visit(node(next), file + ": row " + row);
            }
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static CloseableIterator<?> open(Path file) throws IOException {
        try {
            return new CarpetReader<>(file.toFile(), Map.class).iterator();
        } catch (RuntimeException e) {
            throw damaged(file, e);
        }
    }

    private static Object next(Path file, CloseableIterator<?> rows) {
        try {
            return rows.hasNext() ? rows.next() : null;
        } catch (RuntimeException e) {
            throw damaged(file, e);
        }
    }

    private static DataException damaged(Path file, RuntimeException e) {
        String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        return new DataException(file + ": damaged Parquet (" + why + "); fetch the file again", e);
    }

    /** The library's own words name no file. */
    private static void refuseForeign(Path file) {
        try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
            if (!MAGIC.equals(ascii(in, 0))) {
                throw new DataException(
                        file
                                + ": not a Parquet file, it does not begin with PAR1; it may be a Git"
                                + " LFS pointer or a web page, fetch the file again");
            }
            if (in.length() < 12 || !MAGIC.equals(ascii(in, in.length() - 4))) {
                throw new DataException(
                        file + ": cut short, a Parquet file ends with PAR1; fetch the file again");
            }
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static String ascii(RandomAccessFile in, long at) throws IOException {
        byte[] bytes = new byte[4];
        in.seek(at);
        int read = in.read(bytes);
        return new String(bytes, 0, Math.max(0, read), StandardCharsets.US_ASCII);
    }

    private static JsonNode node(Object value) {
        if (value == null) {
            return JSON.nullNode();
        }
        if (value instanceof Map<?, ?> map) {
            ObjectNode object = JSON.objectNode();
            map.forEach((key, entry) -> object.set(String.valueOf(key), node(entry)));
            return object;
        }
        if (value instanceof Collection<?> list) {
            ArrayNode array = JSON.arrayNode();
            list.forEach(entry -> array.add(node(entry)));
            return array;
        }
        if (value instanceof Boolean flag) {
            return JSON.booleanNode(flag);
        }
        if (value instanceof Number number) {
            return JSON.numberNode(number.doubleValue());
        }
        return JSON.textNode(value.toString());
    }
}
