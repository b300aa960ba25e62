package dev.tegu.eval.analysis;

import java.util.ArrayList;
import java.util.List;

/** Comparisons of two models' predictions, in bins of powers of two: 0, 1, 2 to 3, 4 to 7, ... */
final class Bins {
    private final List<Sums> bins = new ArrayList<>();

    /** Sums over predictions. */
    private static final class Sums {
        private long count;
        private double teacher;
        private double student;
        private double kl;
        private double same;

        void add(double[] values) {
            count++;
            teacher += values[0];
            student += values[1];
            kl += values[2];
            same += values[3];
        }
    }

    /**
     * @param number which bin's range holds it, 0 or more
     * @param values loss of the teacher, of the student, divergence, 1 where the most probable
     *     tokens agree
     */
    void add(int number, double[] values) {
        int bin = Integer.SIZE - Integer.numberOfLeadingZeros(number);
        while (bins.size() <= bin) {
            bins.add(new Sums());
        }
        bins.get(bin).add(values);
    }

    /** The bins that hold something, in order. */
    List<AnalysisResult.Bin> list() {
        List<AnalysisResult.Bin> found = new ArrayList<>();
        for (int i = 0; i < bins.size(); i++) {
            Sums sums = bins.get(i);
            if (sums.count > 0) {
                found.add(
                        new AnalysisResult.Bin(
                                i == 0 ? 0 : 1 << (i - 1),
                                1 << i,
                                new AnalysisResult.Comparison(
                                        sums.count,
                                        sums.teacher / sums.count,
                                        sums.student / sums.count,
                                        sums.kl / sums.count,
                                        sums.same / sums.count)));
            }
        }
        return found;
    }
}
