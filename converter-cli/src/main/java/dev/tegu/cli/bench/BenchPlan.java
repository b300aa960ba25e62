package dev.tegu.cli.bench;

import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionWorkload;
import dev.tegu.checkpoint.DType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * One series of points: a method's form at growing lengths.
 *
 * @param method preset or YAML file
 * @param lengths tokens, ascending
 * @param repeats timed runs of each point, after one that warms up
 * @param device {@code cpu} or {@code cuda:N}
 * @param type of queries, keys and values: F32, BF16 or F16
 */
public record BenchPlan(
        String method,
        AttentionWorkload.Form form,
        AttentionShape shape,
        int batchSize,
        int repeats,
        List<Integer> lengths,
        String device,
        DType type) {

    /** As words for another process. */
    List<String> words() {
        return List.of(
                method,
                form.name(),
                String.valueOf(shape.numHeads()),
                String.valueOf(shape.numKvHeads()),
                String.valueOf(shape.headDim()),
                String.valueOf(batchSize),
                String.valueOf(repeats),
                lengths.stream().map(String::valueOf).collect(Collectors.joining(",")),
                device,
                type.name());
    }

    /** From {@link #words}. */
    static BenchPlan of(String... words) {
        int heads = Integer.parseInt(words[2]);
        int width = Integer.parseInt(words[4]);
        return new BenchPlan(
                words[0],
                AttentionWorkload.Form.valueOf(words[1]),
                new AttentionShape(heads, Integer.parseInt(words[3]), width, heads * width),
                Integer.parseInt(words[5]),
                Integer.parseInt(words[6]),
                Arrays.stream(words[7].split(",")).map(Integer::valueOf).toList(),
                words[8],
                DType.valueOf(words[9]));
    }

    /** The form in lower case. */
    public String formName() {
        return form.name().toLowerCase(Locale.ROOT);
    }
}
