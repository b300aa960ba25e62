package dev.tegu.distill;

import java.util.List;

/**
 * What an objective found on one batch.
 *
 * @param total what is trained on, the number that progress shows
 * @param parts what it is made of: the layers of attention transfer, named as their parameter
 *     groups, or the terms of a sum
 */
public record Losses(double total, List<Part> parts) {
    /**
     * @param name for example {@code layers.3} or {@code cross_entropy}
     * @param loss in the unit of the total
     * @param relative the same as a part of the target's size (0: equal, 1: as far off as zero);
     *     NaN where there is no such thing
     */
    public record Part(String name, double loss, double relative) {}

    /** Takes a copy. */
    public Losses {
        parts = List.copyOf(parts);
    }

    /** A loss without parts. */
    public static Losses of(double total) {
        return new Losses(total, List.of());
    }

    /**
     * What a group of parameters goes by: the part of its name, or the total where there is none.
     */
    double of(String group) {
        return parts.stream()
                .filter(part -> part.name().equals(group))
                .mapToDouble(Part::loss)
                .findFirst()
                .orElse(total);
    }

    /** Mean over batches whose parts have the same names in the same order. */
    static Losses mean(List<Losses> batches) {
        double n = batches.size();
        double total = batches.stream().mapToDouble(Losses::total).sum() / n;
        List<Part> first = batches.get(0).parts();
        Part[] parts = new Part[first.size()];
        for (int i = 0; i < parts.length; i++) {
            double loss = 0;
            double relative = 0;
            for (Losses batch : batches) {
                loss += batch.parts().get(i).loss();
                relative += batch.parts().get(i).relative();
            }
            parts[i] = new Part(first.get(i).name(), loss / n, relative / n);
        }
        return new Losses(total, List.of(parts));
    }
}
