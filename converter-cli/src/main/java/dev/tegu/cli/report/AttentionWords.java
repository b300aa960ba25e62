package dev.tegu.cli.report;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.FeatureMapSpec;
import dev.tegu.attention.GateSpec;
import dev.tegu.attention.WindowSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A model's attention in a few words: {@code hedgehog, scalar gate, sliding window of 64}. */
public final class AttentionWords {
    /** What a model without linear attention has. */
    public static final String SOFTMAX = "softmax";

    private AttentionWords() {}

    /** Of a model's linear attention, absent in a teacher. */
    public static String of(Optional<AttentionSpec> attention) {
        if (attention.isEmpty()) {
            return SOFTMAX;
        }
        AttentionSpec spec = attention.get();
        List<String> words = new ArrayList<>();
        if (spec.isLinear()) {
            FeatureMapSpec.Kind map = spec.featureMap().kind();
            words.add(word(map));
            if (spec.gate().kind() != GateSpec.Kind.NONE) {
                words.add(word(spec.gate().kind()) + " gate");
            }
        } else {
            words.add("no linear branch");
        }
        WindowSpec window = spec.window();
        words.add(
                window.size() > 0
                        ? word(window.shape()) + " window of " + window.size()
                        : "no window");
        if (window.keepFirst() > 0) {
            words.add("first " + window.keepFirst() + " kept");
        }
        return String.join(", ", words);
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
