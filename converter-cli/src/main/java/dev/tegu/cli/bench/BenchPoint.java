package dev.tegu.cli.bench;

/**
 * What one form of one method cost at one length.
 *
 * @param method preset or file
 * @param form {@code chunked}, {@code fused}, {@code quadratic} or {@code softmax}
 * @param length tokens T
 * @param forwardMillis median time of a forward pass
 * @param trainingMillis median time of forward and backward together
 * @param forwardPeakBytes most memory held beyond that of the idle process, inputs included; null
 *     where the system does not count it, and on a card, where what training took stays taken
 * @param trainingPeakBytes the same for forward and backward
 */
public record BenchPoint(
        String method,
        String form,
        int length,
        double forwardMillis,
        double trainingMillis,
        Long forwardPeakBytes,
        Long trainingPeakBytes) {
    /** The same under another name. */
    public BenchPoint named(String name) {
        return new BenchPoint(
                name,
                form,
                length,
                forwardMillis,
                trainingMillis,
                forwardPeakBytes,
                trainingPeakBytes);
    }
}
