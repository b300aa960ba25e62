package dev.tegu.distill.data;

import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Sha256;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;

/**
 * Writes a {@link TokenFile}, document after document, beside its place, and moves it there once
 * the disk has all of it. Closed before that, it leaves nothing. Memory does not grow with the
 * file.
 */
final class TokenFileWriter implements AutoCloseable {
    private static final int BUFFER = 1 << 16;

    private final Path target;
    private final Path partial;
    private final FileChannel channel;
    private final ByteBuffer buffer =
            ByteBuffer.allocateDirect(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
    private final MessageDigest digest = Sha256.start();
    private long tokens;
    private long documents;
    private long notLearnt;

    /**
     * @param target in a directory that exists
     */
    TokenFileWriter(Path target) throws IOException {
        this.target = target;
        // Numbered by process: blocks of layers may be trained side by side in one directory.
        String prefix = "." + target.getFileName() + ".";
        this.partial = target.resolveSibling(prefix + ProcessHandle.current().pid());
        removeThoseOfKilledProcesses(prefix);
        this.channel =
                FileChannel.open(
                        partial,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE);
        channel.position(TokenFile.HEADER);
    }

    private void removeThoseOfKilledProcesses(String prefix) throws IOException {
        try (DirectoryStream<Path> left =
                Files.newDirectoryStream(target.toAbsolutePath().getParent(), prefix + "*")) {
            for (Path file : left) {
                String pid = file.getFileName().toString().substring(prefix.length());
                boolean isOver =
                        pid.matches("[0-9]{1,18}")
                                && ProcessHandle.of(Long.parseLong(pid)).isEmpty();
                if (isOver) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    /**
     * @throws UncheckedIOException if the disk fails or is full
     */
    void append(Document document) {
        try {
            for (int token : document.tokens()) {
                if (!buffer.hasRemaining()) {
                    flush();
                }
                buffer.putInt(token);
                documents += Token.begins(token) ? 1 : 0;
                notLearnt += Token.isLearnt(token) ? 0 : 1;
            }
            tokens += document.tokens().length;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    new IOException(
                            (partial + ": cannot be written: " + e.getMessage())
                                    + "; the tokens need 4 bytes each there",
                            e));
        }
    }

    private void flush() throws IOException {
        buffer.flip();
        digest.update(buffer.duplicate());
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
        buffer.clear();
    }

    /** Number of tokens so far. */
    long tokens() {
        return tokens;
    }

    /**
     * @param identity SHA-256 of what the tokens were made from
     */
    void finish(byte[] identity) throws IOException {
        flush();
        ByteBuffer header = ByteBuffer.allocate(TokenFile.HEADER).order(ByteOrder.LITTLE_ENDIAN);
        header.put(TokenFile.MAGIC).putLong(tokens).putLong(documents).putLong(notLearnt);
        header.put(identity).put(digest.digest()).flip();
        channel.position(0);
        while (header.hasRemaining()) {
            channel.write(header);
        }
        channel.force(true);
        channel.close();
        Files.move(
                partial,
                target,
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
        Durable.syncFolder(target.toAbsolutePath().getParent());
    }

    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(partial);
    }
}
