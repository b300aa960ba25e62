package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;

/** An open file that takes and gives what a faulty disk lets through. */
final class FaultyChannel extends FileChannel {
    private final FaultyDisk disk;
    private final Path path;
    private final FileChannel channel;
    private final boolean isTorn;

    /**
     * @param path where the file really is
     */
    FaultyChannel(FaultyDisk disk, Path path, FileChannel channel) {
        this.disk = disk;
        this.path = path;
        this.channel = channel;
        this.isTorn = disk.isTorn(path);
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        disk.count("a read");
        return channel.read(target);
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
        disk.count("a read");
        return channel.read(target, position);
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) throws IOException {
        disk.count("a read");
        return channel.read(targets, offset, length);
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        disk.count("a write");
        disk.changed(path);
        int taken = disk.take(source.remaining());
        ByteBuffer piece = source.duplicate();
        piece.limit(piece.position() + (isTorn ? taken / 2 : taken));
        writeAll(piece);
        if (isTorn) {
            writeAll(ByteBuffer.allocate(taken - taken / 2));
        }
        source.position(source.position() + taken);
        return taken;
    }

    private void writeAll(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public int write(ByteBuffer source, long position) {
        throw new UnsupportedOperationException("would pass the disk by");
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) throws IOException {
        return length == 0 ? 0 : write(sources[offset]);
    }

    @Override
    public void force(boolean metaData) throws IOException {
        disk.count("force");
        channel.force(metaData);
        disk.forced(path);
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        disk.count("truncate");
        channel.truncate(size);
        return this;
    }

    @Override
    public long position() throws IOException {
        return channel.position();
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        channel.position(newPosition);
        return this;
    }

    @Override
    public long size() throws IOException {
        return channel.size();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) {
        throw new UnsupportedOperationException("would pass the disk by");
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) {
        throw new UnsupportedOperationException("would pass the disk by");
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) throws IOException {
        return channel.map(mode, position, size);
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) throws IOException {
        return channel.lock(position, size, shared);
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        return channel.tryLock(position, size, shared);
    }

    @Override
    protected void implCloseChannel() throws IOException {
        channel.close();
    }
}
