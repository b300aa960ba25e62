package dev.tegu.records;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.jerolba.carpet.CarpetParquetReader;
import com.jerolba.carpet.impl.read.CarpetReadConfiguration;
import com.jerolba.carpet.impl.read.CarpetReadSupport;
import com.jerolba.carpet.io.FileSystemInputFile;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.MessageColumnIO;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.io.api.RecordMaterializer;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Type;

/**
 * The rows of a Parquet file as JSON objects, a column a field, one row group in memory at a time.
 * Columns that nobody asks for are not read, of whatever type they are: Carpet's own reader stops
 * at those it does not know, and so is used for the rows alone.
 */
public final class ParquetRecords {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String MAGIC = "PAR1";

    /** Codecs that need libraries which are not there. */
    private static final Set<CompressionCodecName> UNKNOWN =
            Set.of(CompressionCodecName.BROTLI, CompressionCodecName.LZO);

    private ParquetRecords() {}

    /**
     * @param columns those that are read; one of them must be there
     * @throws DataException if the file is not Parquet, or damaged, or has none of the columns
     */
    public static void each(Path file, List<String> columns, JsonRecords.Visitor visitor) {
        each(file, all -> projection(file, all, columns), visitor);
    }

    /**
     * As {@link #each(Path, List, JsonRecords.Visitor)}, with every column.
     *
     * @throws DataException if the file is not Parquet, or damaged, or has a column of a type that
     *     is not read here
     */
    public static void each(Path file, JsonRecords.Visitor visitor) {
        each(file, UnaryOperator.identity(), visitor);
    }

    private static void each(
            Path file, UnaryOperator<MessageType> choice, JsonRecords.Visitor visitor) {
        refuseForeign(file);
        try (ParquetFileReader reader =
                guarded(
                        file,
                        () -> ParquetFileReader.open(new FileSystemInputFile(file.toFile())))) {
            refuseUnknownCodecs(file, reader);
            MessageType all = reader.getFileMetaData().getSchema();
            MessageType projection = choice.apply(all);
            reader.setRequestedSchema(projection);
            MessageColumnIO io = new ColumnIOFactory().getColumnIO(projection, all);
            long row = 0;
            for (PageReadStore group = guarded(file, reader::readNextRowGroup);
                    group != null;
                    group = guarded(file, reader::readNextRowGroup)) {
                RecordReader<?> records = rows(file, io, group, projection);
                for (long i = 0; i < group.getRowCount(); i++) {
                    row++;
                    JsonNode object = guarded(file, () -> node(records.read()));
                    visitor.visit(object, file + ": row " + row);
                }
            }
        } catch (IOException e) {
            throw damaged(file, e);
        }
    }

    private static RecordReader<?> rows(
            Path file, MessageColumnIO io, PageReadStore group, MessageType projection) {
        return guarded(file, () -> io.getRecordReader(group, maps(projection)));
    }

    /** A step of the library, which throws much where a file is damaged. */
    private interface Step<T> {
        T run() throws IOException;
    }

    private static <T> T guarded(Path file, Step<T> step) {
        try {
            return step.run();
        } catch (IOException | RuntimeException e) {
            throw damaged(file, e);
        }
    }

    private static void refuseUnknownCodecs(Path file, ParquetFileReader reader) {
        for (BlockMetaData block : reader.getFooter().getBlocks()) {
            for (ColumnChunkMetaData column : block.getColumns()) {
                if (UNKNOWN.contains(column.getCodec())) {
                    throw new DataException(
                            (file + ": its columns are packed by " + column.getCodec())
                                    + ", which is not unpacked here; write it with SNAPPY or ZSTD");
                }
            }
        }
    }

    private static MessageType projection(Path file, MessageType all, List<String> columns) {
        List<Type> wanted =
                all.getFields().stream().filter(f -> columns.contains(f.getName())).toList();
        if (wanted.isEmpty()) {
            throw new DataException(
                    (file + ": none of the columns " + names(columns) + " is there, found ")
                            + names(all.getFields().stream().map(Type::getName).toList()));
        }
        return new MessageType(all.getName(), wanted);
    }

    private static String names(List<String> columns) {
        return columns.stream().map(name -> "`" + name + "`").collect(Collectors.joining(", "));
    }

    /** Makes a map of each row. */
    private static RecordMaterializer<?> maps(MessageType projection) {
        CarpetReadConfiguration any =
                new CarpetReadConfiguration(
                        false, false, false, CarpetParquetReader.DEFAULT_FIELD_MATCHING_STRATEGY);
        return new CarpetReadSupport<>(Map.class, any)
                .prepareForRead(
                        new PlainParquetConfiguration(),
                        Map.of(),
                        projection,
                        new ReadSupport.ReadContext(projection));
    }

    private static DataException damaged(Path file, Exception e) {
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String why = String.valueOf(root.getMessage()).lines().findFirst().orElse("");
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
        if (value instanceof Integer || value instanceof Long) {
            return JSON.numberNode(((Number) value).longValue());
        }
        if (value instanceof Number number) {
            return JSON.numberNode(number.doubleValue());
        }
        return JSON.textNode(value.toString());
    }
}
