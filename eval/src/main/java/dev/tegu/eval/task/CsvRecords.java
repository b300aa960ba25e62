package dev.tegu.eval.task;

import dev.tegu.records.DataException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * Comma-separated values as RFC 4180 writes them: fields in quotes may hold commas, line ends and
 * doubled quotes. Every field is a text.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc4180">RFC 4180</a>
 */
final class CsvRecords {
    private final String file;
    private final String text;
    private int at;
    private int line = 1;

    private CsvRecords(String file, String text) {
        this.file = file;
        this.text = text;
    }

    /**
     * @param file names the file in messages
     * @param header names of the columns; if there are none, the first line has them
     * @param visitor gets each row and where it stands
     * @throws DataException if a row has another number of fields, or a quote does not end
     */
    static void each(
            String file,
            String text,
            List<String> header,
            BiConsumer<Map<String, Object>, String> visitor) {
        CsvRecords csv = new CsvRecords(file, text);
        List<String> names = header;
        while (csv.at < text.length()) {
            String place = file + ":" + csv.line;
            List<String> row = csv.row();
            if (row.equals(List.of(""))) {
                continue;
            }
            if (names.isEmpty()) {
                names = row;
                continue;
            }
            if (row.size() != names.size()) {
                throw new DataException(
                        String.format(
                                "%s: expected the %d fields %s, found %d; a text with commas needs"
                                        + " quotes",
                                place, names.size(), String.join(", ", names), row.size()));
            }
            Map<String, Object> fields = new LinkedHashMap<>();
            for (int i = 0; i < row.size(); i++) {
                fields.put(names.get(i), row.get(i));
            }
            visitor.accept(fields, place);
        }
    }

    private List<String> row() {
        List<String> fields = new ArrayList<>();
        while (true) {
            fields.add(at < text.length() && text.charAt(at) == '"' ? quoted() : bare());
            if (at >= text.length()) {
                return fields;
            }
            char end = text.charAt(at++);
            if (end != ',') {
                at += end == '\r' && at < text.length() && text.charAt(at) == '\n' ? 1 : 0;
                line++;
                return fields;
            }
        }
    }

    private String bare() {
        int from = at;
        while (at < text.length() && ",\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        return text.substring(from, at);
    }

    private String quoted() {
        int begins = line;
        StringBuilder field = new StringBuilder();
        at++;
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '\n') {
                line++;
            }
            if (c != '"') {
                field.append(c);
            } else if (at < text.length() && text.charAt(at) == '"') {
                field.append('"');
                at++;
            } else {
                // What stands between the quote and the comma belongs to the field, as in Python.
                return field + bare();
            }
        }
        throw new DataException(file + ":" + begins + ": a quote has no end");
    }
}
