package dev.tegu.cli.watch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads TensorBoard's event files from the description of the format alone. */
final class EventReader {
    /** What one record says; absent fields are null, 0 or empty. */
    record Event(
            double wallTime,
            long step,
            String version,
            long sessionStatus,
            Map<String, Float> scalars) {}

    private EventReader() {}

    static List<Event> read(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Event> events = new ArrayList<>();
        while (in.hasRemaining()) {
            byte[] header = new byte[8];
            in.get(header);
            requireSum(header, in.getInt());
            long length = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).getLong();
            byte[] data = new byte[Math.toIntExact(length)];
            in.get(data);
            requireSum(data, in.getInt());
            events.add(event(data));
        }
        return events;
    }

    private static Event event(byte[] data) {
        double wallTime = 0;
        long step = 0;
        String version = null;
        long status = 0;
        Map<String, Float> scalars = new LinkedHashMap<>();
        for (Map.Entry<Integer, Object> field : fields(data)) {
            switch (field.getKey()) {
                case 1 -> wallTime = Double.longBitsToDouble((Long) field.getValue());
                case 2 -> step = (Long) field.getValue();
                case 3 -> version = text(field.getValue());
                case 5 -> fields((byte[]) field.getValue()).forEach(v -> scalar(v, scalars));
                case 7 -> status = (Long) fields((byte[]) field.getValue()).get(0).getValue();
                default -> throw new IllegalStateException("field " + field.getKey());
            }
        }
        return new Event(wallTime, step, version, status, scalars);
    }

    private static void scalar(Map.Entry<Integer, Object> value, Map<String, Float> scalars) {
        List<Map.Entry<Integer, Object>> fields = fields((byte[]) value.getValue());
        scalars.put(
                text(fields.get(0).getValue()),
                Float.intBitsToFloat((Integer) fields.get(1).getValue()));
    }

    private static List<Map.Entry<Integer, Object>> fields(byte[] data) {
        ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        List<Map.Entry<Integer, Object>> fields = new ArrayList<>();
        while (in.hasRemaining()) {
            int tag = (int) varint(in);
            Object value;
            switch (tag & 7) {
                case 0 -> value = varint(in);
                case 1 -> value = in.getLong();
                case 2 -> {
                    byte[] bytes = new byte[(int) varint(in)];
                    in.get(bytes);
                    value = bytes;
                }
                case 5 -> value = in.getInt();
                default -> throw new IllegalStateException("wire type " + (tag & 7));
            }
            fields.add(Map.entry(tag >> 3, value));
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = in.get();
            value |= (long) (next & 0x7F) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }

    private static String text(Object bytes) {
        return new String((byte[]) bytes, StandardCharsets.UTF_8);
    }

    private static void requireSum(byte[] data, int masked) {
        int crc = castagnoli(data);
        int expected = (crc >>> 15 | crc << 17) + 0xa282ead8;
        if (masked != expected) {
            throw new IllegalStateException("sum " + masked + ", expected " + expected);
        }
    }

    /** CRC-32C bit by bit: reversed polynomial 0x82F63B78, begun and ended with all ones. */
    static int castagnoli(byte[] data) {
        int crc = ~0;
        for (byte b : data) {
            crc ^= b & 0xFF;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >>> 1 ^ ((crc & 1) == 0 ? 0 : 0x82F63B78);
            }
        }
        return ~crc;
    }
}
