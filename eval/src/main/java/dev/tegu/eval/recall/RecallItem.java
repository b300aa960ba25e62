package dev.tegu.eval.recall;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A prompt and what its answer must hold.
 *
 * @param context the text and the question about it
 * @param prefix the beginning of the answer, with what divides it from the context; may be empty
 * @param references right answers, at least one
 * @param factStart character of the context where the first fact begins that the answer needs, -1
 *     where no single place holds it
 * @param factEnd one past its last character, -1 as well
 * @param tags what pictures and groups need to know about it
 */
record RecallItem(
        String context,
        String prefix,
        List<String> references,
        int factStart,
        int factEnd,
        Map<String, Object> tags) {
    /** Copies list and map. */
    RecallItem {
        references = List.copyOf(references);
        tags = Collections.unmodifiableMap(new LinkedHashMap<>(tags));
    }

    /** What the model reads. */
    String prompt() {
        return context + prefix;
    }
}
