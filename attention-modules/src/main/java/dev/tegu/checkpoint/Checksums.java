package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.file.Path;
import java.util.zip.CRC32C;

/**
 * What the bytes of a file were meant to be, taken in memory before the disk had them.
 *
 * <p>The SHA-256 goes into the manifest, for anyone to check against. The CRC-32C is for reading
 * back what was just written: against a disk that loses bytes, and not against people, 32 bits are
 * enough, and it takes a tenth of the time.
 *
 * @param sha256 64 digits
 * @param crc32c Castagnoli's polynomial
 */
record Checksums(String sha256, long crc32c) {

    /** The CRC-32C of a file's bytes. */
    static long crc32cOf(Path file) throws IOException {
        CRC32C crc = new CRC32C();
        FileBytes.forEach(file, crc::update);
        return crc.getValue();
    }
}
