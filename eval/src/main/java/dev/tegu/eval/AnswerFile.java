package dev.tegu.eval;

import dev.tegu.checkpoint.Sha256;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/**
 * One model's answers in a file that only grows, a record a batch. A process that is killed loses
 * the batch it was at; a record that is cut off or damaged ends the file, and what follows is asked
 * again.
 *
 * <p>Layout, all numbers big-endian: {@code TEGUANS1}; 32 bytes, SHA-256 of the model's identity;
 * then records of payload length (4 bytes), CRC-32C of the payload (4), payload: the batch's key
 * (32), the number of answers (4), and for each the count of its numbers (4) and the numbers as
 * doubles (8 each). Memory: about 100 bytes a batch, the answers stay on the disk.
 */
public final class AnswerFile implements AnswerCache, AutoCloseable {
    private static final byte[] MAGIC = "TEGUANS1".getBytes(StandardCharsets.US_ASCII);
    private static final int DIGEST = 32;
    private static final int HEADER = MAGIC.length + DIGEST;
    private static final int RECORD_HEAD = 8;

    private final Path file;
    private final FileChannel channel;
    private final Map<AnswerKey, Long> records = new HashMap<>();
    private long end = HEADER;

    private AnswerFile(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Opens the file of a model, or begins one.
     *
     * @param file in a folder that exists
     * @param identity all that the model's answers depend on: weights, attention, number type,
     *     device; compared as a whole
     * @param resumes whether answers that are there are used; otherwise they are removed
     * @param notice hears, in one line, of answers that are there and not used
     * @throws IOException if the disk fails, or another process has the file open
     */
    public static AnswerFile open(
            Path file, String identity, boolean resumes, Consumer<String> notice)
            throws IOException {
        FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        try {
            lock(file, channel);
            AnswerFile answers = new AnswerFile(file, channel);
            byte[] header = header(identity);
            if (resumes && answers.hasHeader(header, notice)) {
                answers.index(notice);
            } else {
                channel.truncate(0);
                writeAll(channel, ByteBuffer.wrap(header), 0);
            }
            return answers;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static void lock(Path file, FileChannel channel) throws IOException {
        try {
            if (channel.tryLock() != null) {
                return;
            }
        } catch (OverlappingFileLockException e) {
            throw inUse(file, e);
        }
        throw inUse(file, null);
    }

    private static IOException inUse(Path file, Exception cause) {
        return new IOException(
                file
                        + ": another evaluation writes its answers here; wait for its end, or give"
                        + " another output folder",
                cause);
    }

    private static byte[] header(String identity) {
        String digest = Sha256.hex(identity.getBytes(StandardCharsets.UTF_8));
        return ByteBuffer.allocate(HEADER).put(MAGIC).put(HexFormat.of().parseHex(digest)).array();
    }

    private boolean hasHeader(byte[] expected, Consumer<String> notice) throws IOException {
        if (channel.size() == 0) {
            return false;
        }
        byte[] found = new byte[(int) Math.min(HEADER, channel.size())];
        readAll(channel, ByteBuffer.wrap(found), 0);
        if (Arrays.equals(found, expected)) {
            return true;
        }
        notice.accept(
                file
                        + ": answers of another model (weights, attention, number type or device"
                        + " differ); not used, all is measured anew");
        return false;
    }

    private void index(Consumer<String> notice) throws IOException {
        long size = channel.size();
        while (end < size) {
            Optional<ByteBuffer> payload = payload(end, size);
            if (payload.isEmpty()) {
                notice.accept(
                        String.format(
                                "%s: its last %,d bytes are cut off or damaged, after %,d whole"
                                        + " batches; the rest is measured again",
                                file, size - end, records.size()));
                channel.truncate(end);
                return;
            }
            records.put(key(payload.get()), end);
            end += RECORD_HEAD + payload.get().limit();
        }
    }

    /** The payload of the record at a place, empty if there is no whole one. */
    private Optional<ByteBuffer> payload(long at, long size) throws IOException {
        if (size - at < RECORD_HEAD) {
            return Optional.empty();
        }
        ByteBuffer head = ByteBuffer.allocate(RECORD_HEAD);
        readAll(channel, head, at);
        int length = head.getInt(0);
        if (length < DIGEST + Integer.BYTES || length > size - at - RECORD_HEAD) {
            return Optional.empty();
        }
        ByteBuffer payload = ByteBuffer.allocate(length);
        readAll(channel, payload, at + RECORD_HEAD);
        payload.flip();
        return checksum(payload) == head.getInt(4) ? Optional.of(payload) : Optional.empty();
    }

    @Override
    public Optional<List<double[]>> find(AnswerKey batch) {
        Long at = records.get(batch);
        if (at == null) {
            return Optional.empty();
        }
        try {
            ByteBuffer payload =
                    payload(at, end)
                            .orElseThrow(
                                    () ->
                                            new IOException(
                                                    file
                                                            + ": changed while it was in use; do"
                                                            + " not write to it"));
            payload.position(DIGEST);
            int count = payload.getInt();
            List<double[]> answers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                double[] numbers = new double[payload.getInt()];
                payload.asDoubleBuffer().get(numbers);
                payload.position(payload.position() + Double.BYTES * numbers.length);
                answers.add(numbers);
            }
            return Optional.of(answers);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void put(AnswerKey batch, List<double[]> answers) {
        long length = DIGEST + Integer.BYTES;
        for (double[] numbers : answers) {
            length += Integer.BYTES + (long) Double.BYTES * numbers.length;
        }
        ByteBuffer record = ByteBuffer.allocate(Math.toIntExact(RECORD_HEAD + length));
        record.position(RECORD_HEAD);
        record.put(HexFormat.of().parseHex(batch.digest()));
        record.putInt(answers.size());
        for (double[] numbers : answers) {
            record.putInt(numbers.length);
            for (double number : numbers) {
                record.putDouble(number);
            }
        }
        record.putInt(0, (int) length);
        record.putInt(4, checksum(record.duplicate().flip().position(RECORD_HEAD)));
        record.flip();
        try {
            writeAll(channel, record, end);
            // The process may end at any time from now on; so may the machine.
            channel.force(false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        records.put(batch, end);
        end += RECORD_HEAD + length;
    }

    private static AnswerKey key(ByteBuffer payload) {
        byte[] digest = new byte[DIGEST];
        payload.duplicate().get(digest);
        return new AnswerKey(HexFormat.of().formatHex(digest));
    }

    private static int checksum(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.duplicate());
        return (int) crc.getValue();
    }

    private static void writeAll(FileChannel channel, ByteBuffer bytes, long at)
            throws IOException {
        long place = at;
        while (bytes.hasRemaining()) {
            place += channel.write(bytes, place);
        }
    }

    private static void readAll(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long place = at;
        while (bytes.hasRemaining()) {
            int count = channel.read(bytes, place);
            if (count < 0) {
                throw new EOFException("ended while it was read");
            }
            place += count;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
