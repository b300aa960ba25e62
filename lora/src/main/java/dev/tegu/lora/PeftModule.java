package dev.tegu.lora;

import dev.tegu.model.ModelConfig;
import dev.tegu.model.StoredPart;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A linear map with an adapter as the checkpoint stores it and PEFT sees it: it may hold several
 * roles. They share A, and each has rows of B: those at which its own rows are stored.
 *
 * <p>So any adapter on a stored map can be taken apart, and adapters of several roles can be put
 * together: their A below each other, their B where the roles' rows are, zero elsewhere.
 *
 * @param name the checkpoint's name, without {@code .weight}
 * @param targets the roles in it that have adapters, at least one
 */
record PeftModule(String name, List<LoraTarget> targets) {

    /** The stored maps of some targets, in their order. */
    static List<PeftModule> of(List<LoraTarget> targets) {
        Map<String, List<LoraTarget>> byName = new LinkedHashMap<>();
        targets.forEach(
                target ->
                        byName.computeIfAbsent(target.module(), n -> new ArrayList<>())
                                .add(target));
        List<PeftModule> modules = new ArrayList<>();
        byName.forEach((name, roles) -> modules.add(new PeftModule(name, List.copyOf(roles))));
        return modules;
    }

    /** The shortest name by which PEFT finds the map in every layer, and no other map. */
    String shortName(ModelConfig model) {
        return TargetModules.peftName(model.architecture(), targets.get(0).role());
    }

    /** Whether the map is one role and nothing else, so that its adapter is that role's. */
    boolean isOneRole() {
        return !targets.get(0).weight().sharesStorage();
    }

    /** Whether the map is stored as [in, out]. */
    boolean isTransposed() {
        return targets.get(0).weight().part().map(StoredPart::transposed).orElse(false);
    }

    String nameOfA() {
        return LoraTarget.peftName(name, "lora_A");
    }

    String nameOfB() {
        return LoraTarget.peftName(name, "lora_B");
    }

    List<Long> shapeOfA(long rank) {
        return List.of(rank, targets.get(0).in());
    }

    List<Long> shapeOfB(long rank) {
        return List.of(targets.get(0).storedRows(), rank);
    }

    /**
     * A of the whole map.
     *
     * @param parts A of each target, [r, in], r of its own
     * @return [sum of r, in]
     */
    float[] stacked(List<float[]> parts) {
        int size = parts.stream().mapToInt(part -> part.length).sum();
        float[] whole = new float[size];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, whole, at, part.length);
            at += part.length;
        }
        return whole;
    }

    /**
     * B of the whole map.
     *
     * @param parts B of each target, [out, r], r of its own
     * @return [rows of the map, sum of r]
     */
    float[] spread(List<float[]> parts) {
        int rank = 0;
        for (int i = 0; i < parts.size(); i++) {
            rank += rankOf(parts.get(i), i);
        }
        float[] whole = new float[Math.toIntExact(targets.get(0).storedRows() * rank)];
        int column = 0;
        for (int i = 0; i < parts.size(); i++) {
            LoraTarget target = targets.get(i);
            int own = rankOf(parts.get(i), i);
            for (int row = 0; row < target.out(); row++) {
                int to = target.storedRow(row) * rank + column;
                System.arraycopy(parts.get(i), row * own, whole, to, own);
            }
            column += own;
        }
        return whole;
    }

    private int rankOf(float[] part, int target) {
        return Math.toIntExact(part.length / targets.get(target).out());
    }

    /**
     * The rows of B that are one target's.
     *
     * @param whole B of the whole map, [rows of the map, r]
     * @return [out, r]
     */
    static float[] rowsOf(LoraTarget target, float[] whole) {
        int rank = Math.toIntExact(whole.length / target.storedRows());
        float[] rows = new float[Math.toIntExact(target.out() * rank)];
        for (int row = 0; row < target.out(); row++) {
            System.arraycopy(whole, target.storedRow(row) * rank, rows, row * rank, rank);
        }
        return rows;
    }
}
