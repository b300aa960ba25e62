package dev.tegu.config;

import java.util.Collection;
import java.util.Optional;

/** Finds the right name that somebody probably meant. */
public final class Nearest {

    private Nearest() {}

    /**
     * The candidate with the smallest edit distance to {@code name}, if it is near enough to be a
     * likely slip: at most a third of the longer name's letters, and at least one, are wrong.
     *
     * @param name the name as written
     * @param candidates the names that would be right; of equally near ones the first wins
     */
    public static Optional<String> to(String name, Collection<String> candidates) {
        String best = null;
        int bestDistance = Integer.MAX_VALUE;
        for (String candidate : candidates) {
            int allowed = Math.max(1, Math.max(name.length(), candidate.length()) / 3);
            int distance = distance(simplified(name), simplified(candidate));
            if (distance <= allowed && distance < bestDistance) {
                best = candidate;
                bestDistance = distance;
            }
        }
        return Optional.ofNullable(best);
    }

    /** {@code (did you mean `x`?)} with a space before, or empty text when nothing is near. */
    public static String hint(String name, Collection<String> candidates) {
        return to(name, candidates).map(near -> " (did you mean `" + near + "`?)").orElse("");
    }

    /**
     * Smallest number of letters to insert, delete, replace or swap with their neighbour that makes
     * {@code b} of {@code a} (optimal string alignment). Time O(a b), memory O(b).
     */
    public static int distance(String a, String b) {
        int[] beforeLast = new int[b.length() + 1];
        int[] last = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            last[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int[] row = new int[b.length() + 1];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replace = last[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                row[j] = Math.min(replace, Math.min(last[j], row[j - 1]) + 1);
                boolean swapped =
                        i > 1
                                && j > 1
                                && a.charAt(i - 1) == b.charAt(j - 2)
                                && a.charAt(i - 2) == b.charAt(j - 1);
                if (swapped) {
                    row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
                }
            }
            beforeLast = last;
            last = row;
        }
        return last[b.length()];
    }

    /** Case, hyphens and missing underscores are no difference worth a point. */
    private static String simplified(String name) {
        StringBuilder letters = new StringBuilder();
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c != '_' && c != '-') {
                letters.append(Character.toLowerCase(c));
            }
        }
        return letters.toString();
    }
}
