package dev.tegu.cli.watch;

import dev.tegu.checkpoint.Durable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * A file of events that TensorBoard reads. Records, one after the other, each
 *
 * <pre>
 * uint64  length of the data, little-endian
 * uint32  masked CRC32C of those eight bytes
 * byte[]  data, a message {@code Event} of Protocol Buffers
 * uint32  masked CRC32C of the data
 * </pre>
 *
 * <p>where the mask turns the sum right by 15 bits and adds a constant. Fields of {@code Event}: 1
 * {@code wall_time} (double, seconds since 1970), 2 {@code step} (int64), and one of 3 {@code
 * file_version} (string), 5 {@code summary}, 7 {@code session_log}. A summary's field 1, repeated,
 * is a value: 1 {@code tag} (string), 2 {@code simple_value} (float). A session log's field 1 is
 * its {@code status}, 1 for {@code START}: with it TensorBoard drops what it has read of this step
 * and later ones, of all tags of the directory.
 *
 * <p>Events are written through as they come.
 *
 * @see <a href="https://www.tensorflow.org/tutorials/load_data/tfrecord">TFRecords format</a>
 * @see <a
 *     href="https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto">
 *     event.proto</a>
 */
final class EventFile implements AutoCloseable {
    /** From this version on a session log, and nothing else, says that steps are taken again. */
    private static final String VERSION = "brain.Event:2";

    private static final int MASK = 0xa282ead8;

    private final FileChannel channel;
    private final DoubleSupplier wallTime;

    private EventFile(FileChannel channel, DoubleSupplier wallTime) {
        this.channel = channel;
        this.wallTime = wallTime;
    }

    /**
     * Begins the next file of a directory. TensorBoard reads a directory's files in the order of
     * their names.
     *
     * @param dir made where it is absent
     * @param step first step that the file will tell of
     * @param wallTime seconds since 1970
     */
    static EventFile begin(Path dir, long step, DoubleSupplier wallTime) throws IOException {
        Durable.createFolders(dir);
        long earlier;
        try (Stream<Path> files = Files.list(dir)) {
            earlier = files.filter(file -> file.toString().contains(".tfevents.")).count();
        }
        String name = String.format(Locale.ROOT, "events.out.tfevents.%06d.tegu", earlier + 1);
        FileChannel channel =
                FileChannel.open(
                        dir.resolve(name), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        EventFile file = new EventFile(channel, wallTime);
        file.append(file.event(0).text(3, VERSION));
        file.append(file.event(step).message(7, new ProtoMessage().integer(1, 1)));
        return file;
    }

    /**
     * @param values by tag
     */
    void scalars(long step, Map<String, Double> values) throws IOException {
        ProtoMessage summary = new ProtoMessage();
        values.forEach(
                (tag, value) ->
                        summary.message(
                                1, new ProtoMessage().text(1, tag).float32(2, value.floatValue())));
        append(event(step).message(5, summary));
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private ProtoMessage event(long step) {
        return new ProtoMessage().float64(1, wallTime.getAsDouble()).integer(2, step);
    }

    private void append(ProtoMessage event) throws IOException {
        byte[] data = event.toBytes();
        ByteBuffer record =
                ByteBuffer.allocate(Long.BYTES + Integer.BYTES + data.length + Integer.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        record.putLong(data.length);
        record.putInt(maskedSum(record.array(), Long.BYTES));
        record.put(data);
        record.putInt(maskedSum(data, data.length));
        record.flip();
        while (record.hasRemaining()) {
            channel.write(record);
        }
    }

    private static int maskedSum(byte[] bytes, int length) {
        CRC32C sum = new CRC32C();
        sum.update(bytes, 0, length);
        return Integer.rotateRight((int) sum.getValue(), 15) + MASK;
    }
}
