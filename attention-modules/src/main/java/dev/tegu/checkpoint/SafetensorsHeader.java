package dev.tegu.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The JSON header of a safetensors file, checked.
 *
 * <p>Rules: one object without duplicate keys; {@code __metadata__} holds text; every other entry
 * has exactly {@code dtype}, {@code shape} and {@code data_offsets}; the offsets count from the end
 * of the header; the spans fit dtype and shape and cover the data exactly, without holes or
 * overlap.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
final class SafetensorsHeader {

    /** More dimensions than any tensor has; keeps a hostile header from growing lists. */
    private static final int MAX_RANK = 64;

    /** More than any one file has; each costs some hundred bytes of memory here. */
    static final int MAX_TENSORS = 50_000;

    private final String where;
    private final long dataStart;
    private final long dataLength;
    private final SortedMap<String, String> metadata = new TreeMap<>();
    private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();

    private SafetensorsHeader(String where, long dataStart, long dataLength) {
        this.where = where;
        this.dataStart = dataStart;
        this.dataLength = dataLength;
    }

    /**
     * @param where file name for messages
     * @param json the header's bytes and no others
     * @param dataStart bytes before the data
     * @param dataLength bytes of the data
     */
    static SafetensorsHeader parse(
            String where, InputStream json, long dataStart, long dataLength) {
        SafetensorsHeader header = new SafetensorsHeader(where, dataStart, dataLength);
        try (JsonParser parser = StrictJson.FACTORY.createParser(StrictJson.utf8(json))) {
            header.read(parser);
        } catch (CharacterCodingException e) {
            throw header.broken("header is not UTF-8 text", e);
        } catch (JsonProcessingException e) {
            throw header.broken("header is " + StrictJson.describe(e), e);
        } catch (IOException e) {
            throw header.broken("header cannot be read", e);
        }
        header.checkCoverage();
        return header;
    }

    Map<String, String> metadata() {
        return Collections.unmodifiableSortedMap(metadata);
    }

    SortedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSortedMap(tensors);
    }

    private CheckpointException broken(String what, Throwable cause) {
        return new CheckpointException(
                where + ": " + what + "; the file is damaged: fetch or write it again", cause);
    }

    private CheckpointException broken(String what) {
        return broken(what, null);
    }

    private void read(JsonParser parser) throws IOException {
        expect(parser, parser.nextToken(), JsonToken.START_OBJECT, "header");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            if (name.equals("__metadata__")) {
                readMetadata(parser);
            } else {
                readTensor(parser, name);
            }
            if (tensors.size() > MAX_TENSORS) {
                throw broken("header lists more than " + MAX_TENSORS + " tensors");
            }
        }
        if (parser.nextToken() != null) {
            throw broken("header goes on after its closing bracket");
        }
    }

    private void expect(JsonParser parser, JsonToken found, JsonToken wanted, String what)
            throws IOException {
        if (found != wanted) {
            String text = found == null ? "nothing" : "`" + parser.getText() + "`";
            throw broken(what + ": expected " + word(wanted) + ", found " + text);
        }
    }

    private static String word(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case VALUE_STRING -> "text";
            default -> "a whole number";
        };
    }

    private void readMetadata(JsonParser parser) throws IOException {
        expect(parser, parser.nextToken(), JsonToken.START_OBJECT, "`__metadata__`");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            expect(parser, parser.nextToken(), JsonToken.VALUE_STRING, "`__metadata__`." + key);
            metadata.put(key, parser.getText());
        }
    }

    private void readTensor(JsonParser parser, String name) throws IOException {
        String what = "tensor `" + name + "`";
        expect(parser, parser.nextToken(), JsonToken.START_OBJECT, what);
        DType dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            JsonToken token = parser.nextToken();
            String item = what + ": `" + key + "`";
            switch (key) {
                case "dtype" -> {
                    expect(parser, token, JsonToken.VALUE_STRING, item);
                    dtype = dtype(parser.getText(), what);
                }
                case "shape" -> shape = numbers(parser, token, item, MAX_RANK);
                case "data_offsets" -> offsets = numbers(parser, token, item, 2);
                default -> throw broken(item + " is not a key of the format");
            }
        }
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw broken(what + ": needs `dtype`, `shape` and two `data_offsets`");
        }
        tensors.put(name, tensor(name, dtype, shape, offsets.get(0), offsets.get(1)));
    }

    private DType dtype(String name, String what) {
        try {
            return DType.of(name);
        } catch (CheckpointException e) {
            throw new CheckpointException(where + ": " + what + ": " + e.getMessage(), e);
        }
    }

    private List<Long> numbers(JsonParser parser, JsonToken token, String what, int limit)
            throws IOException {
        expect(parser, token, JsonToken.START_ARRAY, what);
        List<Long> numbers = new ArrayList<>();
        for (JsonToken item = parser.nextToken();
                item != JsonToken.END_ARRAY;
                item = parser.nextToken()) {
            expect(parser, item, JsonToken.VALUE_NUMBER_INT, what);
            if (numbers.size() == limit) {
                throw broken(what + " has more than " + limit + " numbers");
            }
            // Jackson throws where a number does not fit 64 bits.
            long number = parser.getLongValue();
            if (number < 0) {
                throw broken(what + ": expected 0 or more, found " + number);
            }
            numbers.add(number);
        }
        return numbers;
    }

    private TensorInfo tensor(String name, DType dtype, List<Long> shape, long begin, long end) {
        String what = "tensor `" + name + "`: ";
        if (begin > end || end > dataLength) {
            throw broken(
                    what
                            + ("bytes " + begin + " to " + end)
                            + " lie outside of the file's "
                            + dataLength
                            + " data bytes");
        }
        long expected;
        try {
            expected = TensorInfo.byteLength(dtype, shape);
        } catch (ArithmeticException e) {
            throw broken(what + "shape " + shape + " has more bytes than 64 bits can count", e);
        }
        if (expected != end - begin) {
            throw broken(
                    what
                            + ("shape " + shape + " of " + dtype + " needs " + expected)
                            + (" bytes, `data_offsets` span " + (end - begin)));
        }
        return new TensorInfo(name, dtype, shape, dataStart + begin, expected);
    }

    private void checkCoverage() {
        List<TensorInfo> byOffset = new ArrayList<>(tensors.values());
        byOffset.sort(
                Comparator.comparingLong(TensorInfo::offset)
                        .thenComparingLong(TensorInfo::byteLength));
        long covered = dataStart;
        String previous = "header";
        for (TensorInfo tensor : byOffset) {
            if (tensor.offset() < covered) {
                throw broken("tensors `" + previous + "` and `" + tensor.name() + "` overlap");
            }
            if (tensor.offset() > covered) {
                throw broken(hole(covered, tensor.offset(), "tensor `" + tensor.name() + "`"));
            }
            covered += tensor.byteLength();
            previous = tensor.name();
        }
        if (covered != dataStart + dataLength) {
            throw broken(hole(covered, dataStart + dataLength, "the end of the file"));
        }
    }

    private String hole(long from, long to, String before) {
        return (to - from) + " bytes before " + before + " belong to no tensor";
    }
}
