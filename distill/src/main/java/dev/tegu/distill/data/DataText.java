package dev.tegu.distill.data;

import dev.tegu.records.DataException;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Data files as UTF-8 text, unpacked where they are packed. */
final class DataText {
    private static final int BUFFER = 1 << 16;

    /** What is done with an open file. */
    interface Reading {
        void read(BufferedReader reader) throws IOException;
    }

    private DataText() {}

    /**
     * @throws DataException if the file cannot be read, is not UTF-8, or its gzip is damaged
     */
    static void read(Path file, Reading reading) {
        String name = file.toString();
        if (name.endsWith(".zst")) {
            throw new DataException(
                    file + ": zstd is not unpacked here; unpack it first, with `zstd -d`");
        }
        boolean packed = name.endsWith(".gz");
        try (InputStream bytes = Files.newInputStream(file);
                InputStream in = packed ? new GZIPInputStream(bytes, BUFFER) : bytes;
                BufferedReader reader =
                        new BufferedReader(
                                new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()))) {
            reading.read(reader);
        } catch (CharacterCodingException e) {
            throw new DataException(file + ": not UTF-8 text; convert it first", e);
        } catch (ZipException | EOFException e) {
            throw new DataException(
                    file
                            + ": damaged gzip ("
                            + e.getMessage()
                            + "), it may be cut short; fetch the file again",
                    e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }
}
