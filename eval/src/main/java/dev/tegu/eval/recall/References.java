package dev.tegu.eval.recall;

import java.util.List;
import java.util.Locale;

/** Comparison of what a model wrote with the right answers. */
final class References {
    private References() {}

    /**
     * Share of the references that stand somewhere in the answer, in any case; control characters
     * of the answer count as line ends.
     *
     * @see <a href="https://arxiv.org/abs/2404.06654">RULER</a>, the recall-based accuracy
     */
    static double share(List<String> references, String answer) {
        String text = answer.strip().replaceAll("[\\x00-\\x1f]", "\n").strip();
        String lower = text.toLowerCase(Locale.ROOT);
        long found =
                references.stream()
                        .filter(reference -> lower.contains(reference.toLowerCase(Locale.ROOT)))
                        .count();
        return (double) found / references.size();
    }
}
