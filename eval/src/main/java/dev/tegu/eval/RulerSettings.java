package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * Which documents the tasks of RULER make. The harness takes 500 samples of 4,096 tokens.
 *
 * @param lengths tokens of the prompt with BOS and of the answer's budget together, 64 or more
 *     each; each task says how many it needs at least
 * @param samples documents of each length, 1 or more
 */
public record RulerSettings(
        @Default("[1024, 2048]") List<Integer> lengths, @Default("20") int samples) {
    /**
     * @throws InvalidValueException if a number is out of range
     */
    public RulerSettings {
        lengths = RecallRanges.each("lengths", lengths, 64);
        Ranges.atLeast("samples", samples, 1);
    }
}
