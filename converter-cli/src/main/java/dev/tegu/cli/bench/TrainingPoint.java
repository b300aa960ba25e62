package dev.tegu.cli.bench;

/**
 * How fast a stage trained, and what it held on its device.
 *
 * @param method preset or file
 * @param stage its key in a configuration
 * @param tokensPerStep tokens that one step reads
 * @param tokensPerSecond median over blocks of steps
 * @param slowestTokensPerSecond of a block
 * @param fastestTokensPerSecond of a block
 * @param steps counted
 * @param plannedBytes what {@code --dry-run} would say: a batch computed before training, and the
 *     moments of the optimizer; the process and a card's own context left out
 * @param warmBytes held after the steps that warmed up; null where the system does not say
 * @param endBytes held after the last step
 * @param peakBytes most that was held; of a card the same as at the end
 */
public record TrainingPoint(
        String method,
        String stage,
        long tokensPerStep,
        double tokensPerSecond,
        double slowestTokensPerSecond,
        double fastestTokensPerSecond,
        long steps,
        Long plannedBytes,
        Long warmBytes,
        Long endBytes,
        Long peakBytes) {}
