package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.Arrays;
import java.util.List;

/**
 * A sequence of multi-query associative recall as Zoology generates it: pairs of key and value,
 * then each key once more, among filler.
 *
 * <p>Of a vocabulary of V tokens, token 0 is filler, keys are drawn without replacement from 1 to
 * V/2 - 1 and values from V/2 to V - 1. After the pairs there are S = (T - 2 pairs) / 2 places of
 * two tokens, and the key of each pair stands at one of them: place x, from 1 on, is drawn with the
 * weight x^(a - 1), without replacement. The model must answer the key with its value, though the
 * value does not follow.
 *
 * @param ids vocabulary places of the T tokens
 * @param queries where the keys stand the second time, in the order of the pairs; pair i stands at
 *     2 i and 2 i + 1
 * @see <a href="https://arxiv.org/abs/2312.04927">Zoology</a>, appendix E
 */
record MqarSequence(int[] ids, List<Integer> queries) {

    /**
     * @param length T, even
     * @param pairs at most T / 4, and less than V / 2
     * @param vocabulary V
     * @param powerA a
     * @param isRandom whether any token of the vocabulary stands where nothing does, and not token
     *     0
     */
    static MqarSequence of(
            StableRandom random,
            int length,
            int pairs,
            int vocabulary,
            double powerA,
            boolean isRandom) {
        int half = vocabulary / 2;
        int[] keys = distinct(random, 1, half, pairs);
        int[] values = distinct(random, half, vocabulary, pairs);
        int[] ids = new int[length];
        for (int t = 0; isRandom && t < length; t++) {
            ids[t] = random.nextInt(vocabulary);
        }
        double[] weights = new double[(length - 2 * pairs) / 2];
        for (int x = 1; x <= weights.length; x++) {
            weights[x - 1] = Math.pow(x, powerA - 1);
        }
        Integer[] queries = new Integer[pairs];
        for (int i = 0; i < pairs; i++) {
            ids[2 * i] = keys[i];
            ids[2 * i + 1] = values[i];
            int place = draw(random, weights);
            weights[place] = 0;
            queries[i] = 2 * pairs + 2 * place;
            ids[queries[i]] = keys[i];
        }
        return new MqarSequence(ids, List.of(queries));
    }

    /** The right value of query {@code i}. */
    int value(int i) {
        return ids[2 * i + 1];
    }

    /** How many tokens before query {@code i} its value stands. */
    int distance(int i) {
        return queries.get(i) - (2 * i + 1);
    }

    private static int draw(StableRandom random, double[] weights) {
        double left = (random.nextLong() >>> 11) * 0x1p-53 * Arrays.stream(weights).sum();
        int last = -1;
        for (int i = 0; i < weights.length; i++) {
            if (weights[i] > 0) {
                last = i;
                left -= weights[i];
                if (left < 0) {
                    break;
                }
            }
        }
        return last;
    }

    /** Different numbers from {@code from} to below {@code to}, in random order. */
    private static int[] distinct(StableRandom random, int from, int to, int count) {
        int[] all = new int[to - from];
        for (int i = 0; i < all.length; i++) {
            all[i] = from + i;
        }
        for (int i = 0; i < count; i++) {
            int other = i + random.nextInt(all.length - i);
            int number = all[i];
            all[i] = all[other];
            all[other] = number;
        }
        return Arrays.copyOf(all, count);
    }
}
