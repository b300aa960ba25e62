package dev.tegu.cli.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** How much memory this process has held at most, as Linux counts it. */
public final class PeakMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");

    /** Makes the kernel count the high-water mark from now on: proc(5), clear_refs. */
    private static final String RESET = "5";

    private PeakMemory() {}

    /** Whether this system counts it. */
    public static boolean isCounted() {
        return Files.isReadable(STATUS) && Files.isWritable(CLEAR);
    }

    /** Begins to count anew. */
    static void reset() throws IOException {
        Files.writeString(CLEAR, RESET);
    }

    /** Most bytes held since {@link #reset}. */
    public static long peakBytes() throws IOException {
        return bytes("VmHWM:");
    }

    /** Bytes held now. */
    public static long residentBytes() throws IOException {
        return bytes("VmRSS:");
    }

    private static long bytes(String key) throws IOException {
        for (String line : Files.readAllLines(STATUS)) {
            if (line.startsWith(key)) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IOException(STATUS + ": no line `" + key + "`");
    }
}
