package dev.tegu.cli.bench;

/**
 * What reading and continuing texts cost at one length.
 *
 * @param model {@code teacher}, or a method
 * @param context tokens of a row before the first decoded one
 * @param prefillTokensPerSecond all rows together; null where the context was put in place
 * @param decodeTokensPerSecond all rows together
 * @param stateBytes what all rows keep between tokens
 * @param peakBytes most that the process held on its device, weights included; null where the
 *     system does not say
 */
public record DecodePoint(
        String model,
        int context,
        Double prefillTokensPerSecond,
        double decodeTokensPerSecond,
        long stateBytes,
        Long peakBytes) {}
