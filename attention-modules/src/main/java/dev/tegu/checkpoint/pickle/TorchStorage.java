package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/**
 * The bytes that tensors are views of: one entry of the archive.
 *
 * @param archive open archive
 * @param where name of the file, for messages
 * @param entry name of the entry, which exists and has this size
 * @param dtype type of the elements
 * @param elements number of elements
 */
record TorchStorage(ZipArchive archive, String where, String entry, DType dtype, long elements) {
    /** A piece, mapped, read or unpacked. */
    ByteBuffer read(long fromByte, int length) throws IOException {
        return archive.read(entry, fromByte, length);
    }

    /** Writes a piece, of which little is in memory at a time. */
    void writeTo(long fromByte, long length, WritableByteChannel target) throws IOException {
        archive.writeTo(entry, fromByte, length, target);
    }
}
