package dev.tegu.distill;

import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;

/** Which tokens of a sequence a loss on attention weights looks at. */
final class Queries {
    private Queries() {}

    /**
     * Different places in ascending order, each as likely as the others while training; evenly
     * spaced ones, the last token among them, where a loss is measured.
     *
     * @param count how many; all if there are no more
     * @param length tokens of a sequence
     * @param training where training stands; absent: a loss is measured
     */
    static int[] of(int count, int length, Optional<StepContext> training) {
        int n = Math.min(count, length);
        int[] places = new int[n];
        if (training.isEmpty()) {
            for (int i = 0; i < n; i++) {
                places[i] = Math.toIntExact((i + 1L) * length / n - 1);
            }
            return places;
        }
        SplittableRandom random = training.get().random("xent_queries", 0);
        int[] all = new int[length];
        Arrays.setAll(all, i -> i);
        for (int i = 0; i < n; i++) {
            int drawn = random.nextInt(i, length);
            places[i] = all[drawn];
            all[drawn] = all[i];
        }
        Arrays.sort(places);
        return places;
    }
}
