package dev.tegu.engine;

import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What libtorch said when it found no memory, on a card or on the host.
 *
 * @param place {@code cuda:N}, {@code cuda} where the number is not told, or {@code cpu}
 * @param asked bytes of the array that found no place
 * @param free bytes free at that moment
 * @param total bytes of the device
 */
public record MemoryShortage(
        String place, OptionalLong asked, OptionalLong free, OptionalLong total) {
    // "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of
    // which 1.50 GiB is free. ..."
    private static final Pattern GPU = Pattern.compile("GPU (\\d+) has");
    private static final Pattern ASKED = sized("Tried to allocate ");
    private static final Pattern TOTAL = sized("total capacity of ");
    private static final Pattern FREE = sized("of which ");

    // "... DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes. ..."
    private static final Pattern HOST =
            Pattern.compile("can't allocate memory: you tried to allocate (\\d+) bytes");

    private static Pattern sized(String before) {
        return Pattern.compile(Pattern.quote(before) + "([0-9.]+) (bytes|KiB|MiB|GiB)");
    }

    /**
     * Looks for a shortage in an exception and its causes.
     *
     * @return empty if it is about something else
     */
    public static Optional<MemoryShortage> in(Throwable thrown) {
        for (Throwable e = thrown; e != null; e = e.getCause()) {
            Optional<MemoryShortage> found =
                    e.getMessage() == null ? Optional.empty() : parse(e.getMessage());
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    private static Optional<MemoryShortage> parse(String message) {
        Matcher host = HOST.matcher(message);
        if (host.find()) {
            OptionalLong asked = OptionalLong.of(Long.parseLong(host.group(1)));
            return Optional.of(
                    new MemoryShortage("cpu", asked, OptionalLong.empty(), OptionalLong.empty()));
        }
        boolean onCard =
                message.contains("CUDA out of memory")
                        || message.contains("CUDA error: out of memory")
                        || message.contains("STATUS_ALLOC_FAILED")
                        || message.contains("CUDA_ERROR_OUT_OF_MEMORY");
        if (!onCard) {
            return Optional.empty();
        }
        Matcher gpu = GPU.matcher(message);
        return Optional.of(
                new MemoryShortage(
                        gpu.find() ? "cuda:" + gpu.group(1) : "cuda",
                        size(ASKED, message),
                        size(FREE, message),
                        size(TOTAL, message)));
    }

    private static OptionalLong size(Pattern pattern, String message) {
        Matcher matcher = pattern.matcher(message);
        if (!matcher.find()) {
            return OptionalLong.empty();
        }
        double unit =
                switch (matcher.group(2)) {
                    case "KiB" -> 1L << 10;
                    case "MiB" -> 1L << 20;
                    case "GiB" -> 1L << 30;
                    default -> 1;
                };
        return OptionalLong.of((long) (Double.parseDouble(matcher.group(1)) * unit));
    }

    /** The bytes that would have been held, had there been room; empty where that is not known. */
    public OptionalLong needed() {
        return asked.isPresent() && free.isPresent() && total.isPresent()
                ? OptionalLong.of(total.getAsLong() - free.getAsLong() + asked.getAsLong())
                : OptionalLong.empty();
    }

    /** For example {@code out of memory on cuda:0: 2.0 GB asked for, 0.5 of 79.2 GB free}. */
    public String describe() {
        StringBuilder text = new StringBuilder("out of memory on ").append(place);
        asked.ifPresent(bytes -> text.append(": ").append(gigabytes(bytes)).append(" asked for"));
        if (free.isPresent() && total.isPresent()) {
            text.append(asked.isPresent() ? ", " : ": ")
                    .append(gigabytes(free.getAsLong()))
                    .append(" of ")
                    .append(gigabytes(total.getAsLong()))
                    .append(" free");
        }
        return text.toString();
    }

    private static String gigabytes(long bytes) {
        return bytes < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f MB", bytes * 1e-6)
                : String.format(Locale.ROOT, "%.1f GB", bytes * 1e-9);
    }
}
