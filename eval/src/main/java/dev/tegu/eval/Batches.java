package dev.tegu.eval;

import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which sequences are given to a model together: those of similar length, the longest first, so
 * that little is padded and a lack of memory shows at once. Sequences that begin alike (the
 * questions of a subject, after the same examples) stay together if they fill a batch, since a
 * model reads what a whole batch shares only once.
 */
final class Batches {
    /** Tokens by which beginnings are told apart: more than a sentence. */
    private static final int BEGINNING = 32;

    private Batches() {}

    /**
     * @param size sequences in a batch at most
     * @return indices, each once; depends on the sequences and the size alone
     */
    static List<List<Integer>> of(List<int[]> sequences, int size) {
        Map<IntBuffer, List<Integer>> groups = new LinkedHashMap<>();
        List<Integer> others = new ArrayList<>();
        for (int i = 0; i < sequences.size(); i++) {
            int[] ids = sequences.get(i);
            if (ids.length > BEGINNING) {
                IntBuffer beginning = IntBuffer.wrap(ids, 0, BEGINNING);
                groups.computeIfAbsent(beginning, key -> new ArrayList<>()).add(i);
            } else {
                others.add(i);
            }
        }
        List<List<Integer>> alike = new ArrayList<>();
        for (List<Integer> group : groups.values()) {
            if (group.size() >= Math.max(2, size)) {
                alike.add(group);
            } else {
                others.addAll(group);
            }
        }
        alike.add(others);
        return alike.stream()
                .map(group -> cut(group, sequences, size))
                .flatMap(Collection::stream)
                .sorted(Comparator.comparingInt(batch -> -sequences.get(batch.get(0)).length))
                .toList();
    }

    private static List<List<Integer>> cut(List<Integer> group, List<int[]> sequences, int size) {
        List<Integer> longestFirst =
                group.stream()
                        .sorted(
                                Comparator.comparingInt((Integer i) -> -sequences.get(i).length)
                                        .thenComparing(Comparator.naturalOrder()))
                        .toList();
        List<List<Integer>> batches = new ArrayList<>();
        for (int from = 0; from < longestFirst.size(); from += size) {
            batches.add(
                    List.copyOf(
                            longestFirst.subList(
                                    from, Math.min(from + size, longestFirst.size()))));
        }
        return batches;
    }
}
