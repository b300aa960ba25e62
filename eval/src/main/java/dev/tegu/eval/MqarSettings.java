package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * Which sequences the task {@code mqar} makes: every length with every number of pairs that it can
 * hold, that is, four tokens a pair.
 *
 * @param lengths tokens of a sequence without BOS, even, 4 or more each
 * @param pairs key-value pairs of a sequence, 1 or more each; every key is asked for once
 * @param samples sequences of each length and number of pairs, 1 or more
 * @param powerA exponent {@code a} of the distances: a gap of x places has the weight x^(a - 1), so
 *     1 makes all alike; above 0
 * @param vocabulary which tokens stand for keys and values
 * @param vocabularySize how many of them at most, 8 or more; a model may have fewer
 * @param filler what stands where nothing does
 * @param beyond as that of {@link RecallSettings}; the distance counts from the pair to its query
 */
public record MqarSettings(
        @Default("[64, 128, 256, 512]") List<Integer> lengths,
        @Default("[4, 8, 16, 32]") List<Integer> pairs,
        @Default("8") int samples,
        @Default("0.01") double powerA,
        @Default("words") Vocabulary vocabulary,
        @Default("8192") int vocabularySize,
        @Default("zero") Filler filler,
        @Default("[]") List<Integer> beyond) {

    /** Tokens for keys and values. */
    public enum Vocabulary {
        /** Tokens that are a whole lower-case word, in an order drawn from the seed. */
        WORDS,
        /** The ids from 0 on, for models trained on such sequences. */
        IDS
    }

    /** Tokens between the queries. */
    public enum Filler {
        /** The first token of the vocabulary, which is no key and no value. */
        ZERO,
        /** Any token of the vocabulary. */
        RANDOM
    }

    /**
     * @throws InvalidValueException if a number is out of range, or no length holds any number of
     *     pairs
     */
    public MqarSettings {
        lengths = RecallRanges.each("lengths", lengths, 4);
        pairs = RecallRanges.each("pairs", pairs, 1);
        beyond = List.copyOf(beyond);
        beyond.forEach(distance -> Ranges.atLeast("beyond", distance, 1));
        Ranges.atLeast("samples", samples, 1);
        Ranges.atLeast("vocabulary_size", vocabularySize, 8);
        for (int length : lengths) {
            if (length % 2 != 0) {
                throw new InvalidValueException(
                        "lengths", "expected even numbers, found " + length);
            }
        }
        if (!(powerA > 0)) {
            throw new InvalidValueException("power_a", "expected above 0, found " + powerA);
        }
        int longest = lengths.stream().mapToInt(Integer::intValue).max().orElseThrow();
        if (pairs.stream().allMatch(number -> number > longest / 4)) {
            throw new InvalidValueException(
                    "pairs",
                    "a pair needs four tokens, and the longest of `lengths` has " + longest);
        }
    }
}
