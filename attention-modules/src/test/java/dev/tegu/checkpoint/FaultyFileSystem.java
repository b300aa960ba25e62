package dev.tegu.checkpoint;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.StandardOpenOption;
import java.nio.file.WatchService;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The real file system behind a disk that fails as it is told: at its n-th operation, once it is
 * full, by taking fewer bytes than it is given, or by losing bytes without a word. A disk that has
 * failed goes on working, but a full one stays full.
 *
 * <p>Operations that are counted: opening, reading, writing, forcing, truncating, listing, making,
 * moving, deleting, looking at attributes. Mapping and locks pass through.
 */
public final class FaultyFileSystem extends FileSystem {
    private static final String FULL = "No space left on device";

    private final FileSystem real;
    private final Provider provider = new Provider();
    private long operations;
    private long failingOperation = Long.MAX_VALUE;
    private long freeBytes = Long.MAX_VALUE;
    private int longestWrite = Integer.MAX_VALUE;
    private String torn = "";

    private FaultyFileSystem(FileSystem real) {
        this.real = real;
    }

    /** A disk that works. */
    public static FaultyFileSystem working(FileSystem real) {
        return new FaultyFileSystem(real);
    }

    /**
     * @param n 1-based operation that throws
     */
    public FaultyFileSystem failingAt(long n) {
        failingOperation = n;
        return this;
    }

    /**
     * @param bytes that may be written before the disk is full
     */
    public FaultyFileSystem fullAfter(long bytes) {
        freeBytes = bytes;
        return this;
    }

    /**
     * @param bytes most that a call of write takes
     */
    public FaultyFileSystem writingAtMost(int bytes) {
        longestWrite = bytes;
        return this;
    }

    /**
     * Files of this name take every write and keep only the first half of it.
     *
     * @param fileName name without folders
     */
    public FaultyFileSystem tearing(String fileName) {
        torn = fileName;
        return this;
    }

    /** Operations so far. */
    public long operations() {
        return operations;
    }

    /** A real path as seen through this disk. */
    public Path path(Path path) {
        return new Wrapped(path);
    }

    private void count(String what) throws IOException {
        if (++operations == failingOperation) {
            throw new IOException("injected failure of " + what);
        }
    }

    private static Path real(Path path) {
        return path instanceof Wrapped wrapped ? wrapped.path : path;
    }

    private Path wrap(Path path) {
        return path == null ? null : new Wrapped(path);
    }

    /** A file that takes and gives what the disk lets through. */
    private final class Channel extends FileChannel {
        private final FileChannel channel;
        private final boolean isTorn;

        Channel(FileChannel channel, Path path) {
            this.channel = channel;
            this.isTorn = path.getFileName().toString().equals(torn);
        }

        @Override
        public int read(ByteBuffer target) throws IOException {
            count("a read");
            return channel.read(target);
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            count("a read");
            return channel.read(target, position);
        }

        @Override
        public long read(ByteBuffer[] targets, int offset, int length) throws IOException {
            count("a read");
            return channel.read(targets, offset, length);
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            count("a write");
            int wanted = Math.min(source.remaining(), longestWrite);
            int taken = (int) Math.min(wanted, freeBytes);
            if (taken == 0 && wanted > 0) {
                throw new IOException(FULL);
            }
            freeBytes -= taken;
            ByteBuffer piece = source.duplicate();
            piece.limit(piece.position() + (isTorn ? taken / 2 : taken));
            while (piece.hasRemaining()) {
                channel.write(piece);
            }
            if (isTorn) {
                channel.write(ByteBuffer.allocate(taken - taken / 2));
            }
            source.position(source.position() + taken);
            return taken;
        }

        @Override
        public int write(ByteBuffer source, long position) throws IOException {
            channel.position(position);
            return write(source);
        }

        @Override
        public long write(ByteBuffer[] sources, int offset, int length) throws IOException {
            return write(sources[offset]);
        }

        @Override
        public void force(boolean metaData) throws IOException {
            count("force");
            channel.force(metaData);
        }

        @Override
        public FileChannel truncate(long size) throws IOException {
            count("truncate");
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
        public long transferTo(long position, long count, WritableByteChannel target)
                throws IOException {
            return channel.transferTo(position, count, target);
        }

        @Override
        public long transferFrom(ReadableByteChannel source, long position, long count)
                throws IOException {
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

    private final class Provider extends FileSystemProvider {
        @Override
        public String getScheme() {
            return "faulty";
        }

        @Override
        public FileSystem newFileSystem(URI uri, Map<String, ?> env) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FileSystem getFileSystem(URI uri) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Path getPath(URI uri) {
            throw new UnsupportedOperationException();
        }

        @Override
        public SeekableByteChannel newByteChannel(
                Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
                throws IOException {
            return newFileChannel(path, options, attributes);
        }

        @Override
        public FileChannel newFileChannel(
                Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
                throws IOException {
            count(options.contains(StandardOpenOption.WRITE) ? "opening to write" : "opening");
            return new Channel(FileChannel.open(real(path), options, attributes), path);
        }

        @Override
        public DirectoryStream<Path> newDirectoryStream(
                Path dir, DirectoryStream.Filter<? super Path> filter) throws IOException {
            count("a listing");
            List<Path> entries = new ArrayList<>();
            try (DirectoryStream<Path> stream = Files.newDirectoryStream(real(dir))) {
                for (Path entry : stream) {
                    if (filter.accept(wrap(entry))) {
                        entries.add(wrap(entry));
                    }
                }
            }
            return new DirectoryStream<>() {
                @Override
                public Iterator<Path> iterator() {
                    return entries.iterator();
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public void createDirectory(Path dir, FileAttribute<?>... attributes) throws IOException {
            count("making a folder");
            Files.createDirectory(real(dir), attributes);
        }

        @Override
        public void delete(Path path) throws IOException {
            count("a removal");
            Files.delete(real(path));
        }

        @Override
        public void copy(Path source, Path target, CopyOption... options) {
            throw new UnsupportedOperationException("would pass the disk by");
        }

        @Override
        public void move(Path source, Path target, CopyOption... options) throws IOException {
            count("a move");
            Files.move(real(source), real(target), options);
        }

        @Override
        public boolean isSameFile(Path path, Path other) throws IOException {
            return Files.isSameFile(real(path), real(other));
        }

        @Override
        public boolean isHidden(Path path) throws IOException {
            return Files.isHidden(real(path));
        }

        @Override
        public FileStore getFileStore(Path path) throws IOException {
            return Files.getFileStore(real(path));
        }

        @Override
        public void checkAccess(Path path, AccessMode... modes) throws IOException {
            count("an access");
            real(path).getFileSystem().provider().checkAccess(real(path), modes);
        }

        @Override
        public <V extends FileAttributeView> V getFileAttributeView(
                Path path, Class<V> type, LinkOption... options) {
            return Files.getFileAttributeView(real(path), type, options);
        }

        @Override
        public <A extends BasicFileAttributes> A readAttributes(
                Path path, Class<A> type, LinkOption... options) throws IOException {
            count("looking at attributes");
            return Files.readAttributes(real(path), type, options);
        }

        @Override
        public Map<String, Object> readAttributes(
                Path path, String attributes, LinkOption... options) throws IOException {
            count("looking at attributes");
            return Files.readAttributes(real(path), attributes, options);
        }

        @Override
        public void setAttribute(Path path, String attribute, Object value, LinkOption... options) {
            throw new UnsupportedOperationException();
        }
    }

    /** A path of this disk. */
    private final class Wrapped implements Path {
        private final Path path;

        Wrapped(Path path) {
            this.path = path;
        }

        @Override
        public FileSystem getFileSystem() {
            return FaultyFileSystem.this;
        }

        @Override
        public boolean isAbsolute() {
            return path.isAbsolute();
        }

        @Override
        public Path getRoot() {
            return wrap(path.getRoot());
        }

        @Override
        public Path getFileName() {
            return wrap(path.getFileName());
        }

        @Override
        public Path getParent() {
            return wrap(path.getParent());
        }

        @Override
        public int getNameCount() {
            return path.getNameCount();
        }

        @Override
        public Path getName(int index) {
            return wrap(path.getName(index));
        }

        @Override
        public Path subpath(int begin, int end) {
            return wrap(path.subpath(begin, end));
        }

        @Override
        public boolean startsWith(Path other) {
            return path.startsWith(real(other));
        }

        @Override
        public boolean endsWith(Path other) {
            return path.endsWith(real(other));
        }

        @Override
        public Path normalize() {
            return wrap(path.normalize());
        }

        @Override
        public Path resolve(Path other) {
            return wrap(path.resolve(real(other)));
        }

        @Override
        public Path relativize(Path other) {
            return wrap(path.relativize(real(other)));
        }

        @Override
        public URI toUri() {
            return path.toUri();
        }

        @Override
        public Path toAbsolutePath() {
            return wrap(path.toAbsolutePath());
        }

        @Override
        public Path toRealPath(LinkOption... options) throws IOException {
            return wrap(path.toRealPath(options));
        }

        @Override
        public java.nio.file.WatchKey register(
                WatchService watcher,
                java.nio.file.WatchEvent.Kind<?>[] events,
                java.nio.file.WatchEvent.Modifier... modifiers) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int compareTo(Path other) {
            return path.compareTo(real(other));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Wrapped wrapped && path.equals(wrapped.path);
        }

        @Override
        public int hashCode() {
            return path.hashCode();
        }

        @Override
        public String toString() {
            return path.toString();
        }
    }

    @Override
    public FileSystemProvider provider() {
        return provider;
    }

    @Override
    public void close() {}

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public String getSeparator() {
        return real.getSeparator();
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        List<Path> roots = new ArrayList<>();
        real.getRootDirectories().forEach(root -> roots.add(wrap(root)));
        return roots;
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        return real.getFileStores();
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return real.supportedFileAttributeViews();
    }

    @Override
    public Path getPath(String first, String... more) {
        return wrap(real.getPath(first, more));
    }

    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        PathMatcher matcher = real.getPathMatcher(syntaxAndPattern);
        return path -> matcher.matches(real(path));
    }

    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        return real.getUserPrincipalLookupService();
    }

    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException();
    }
}
