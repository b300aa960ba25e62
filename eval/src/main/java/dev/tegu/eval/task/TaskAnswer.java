package dev.tegu.eval.task;

import dev.tegu.eval.task.PairScorer.Rating;
import dev.tegu.tokenizer.PythonText;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the model answered to a question.
 *
 * @param question the question
 * @param ratings one entry a request, none where the model wrote
 * @param text what it wrote; empty where it rated
 */
record TaskAnswer(TaskQuestion question, List<Rating> ratings, Optional<String> text) {
    /** The choice of a text that names none. */
    static final int NONE = -1;

    /** As lm-evaluation-harness's samples have it. */
    List<Object> responses() {
        List<Object> responses = new ArrayList<>();
        ratings.forEach(rating -> responses.add(List.of(rating.logProb(), rating.isGreedy())));
        text.ifPresent(responses::add);
        return responses;
    }

    /** What the filter makes of the text. */
    String filtered(TaskSpec spec) {
        String written = text.orElseThrow();
        return spec.filterList().isEmpty()
                ? PythonText.strip(written)
                : spec.filterList().get(0).apply(written);
    }

    /** Index of the choice that was made, {@link #NONE} if a text names none. */
    int choice(TaskSpec spec, MetricKind metric) {
        return text.isPresent()
                ? question.choices().indexOf(filtered(spec))
                : metric.best(
                        ratings.stream().mapToDouble(Rating::logProb).toArray(),
                        question.choices());
    }
}
