package dev.tegu.eval;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.util.List;
import java.util.Optional;

/** Settings for the tests; small, all of them stated. */
final class Settings {
    private Settings() {}

    static EvalSettings of(String... tasks) {
        return new EvalSettings(
                List.of(tasks),
                Optional.empty(),
                new PerplexitySettings(5, 1_000),
                new NeedleSettings(200, 6, List.of()),
                new RecallSettings(5, 1, 8, List.of()),
                2,
                7);
    }

    static EvalSettings perplexity(int context, int maxTokens) {
        EvalSettings base = of("perplexity");
        return new EvalSettings(
                base.tasks(),
                base.limit(),
                new PerplexitySettings(context, maxTokens),
                base.needle(),
                base.recall(),
                base.batchSize(),
                base.seed());
    }

    static EvalSettings recall(int records, int questions, int samples) {
        EvalSettings base = of("recall");
        return new EvalSettings(
                base.tasks(),
                base.limit(),
                base.perplexity(),
                base.needle(),
                new RecallSettings(records, questions, samples, List.of()),
                base.batchSize(),
                base.seed());
    }

    static EvalSettings limited(EvalSettings base, int limit) {
        return new EvalSettings(
                base.tasks(),
                Optional.of(limit),
                base.perplexity(),
                base.needle(),
                base.recall(),
                base.batchSize(),
                base.seed());
    }

    static EvalSettings batched(EvalSettings base, int batchSize) {
        return new EvalSettings(
                base.tasks(),
                base.limit(),
                base.perplexity(),
                base.needle(),
                base.recall(),
                batchSize,
                base.seed());
    }

    static EvalData text(String text) {
        return new EvalData(List.of(new EvalData.NamedText("text.txt", text)));
    }

    /** Forty sentences of 27 to 28 characters. */
    static String haystack() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            text.append("The cart number ").append(i).append(" was green. ");
        }
        return text.toString();
    }

    /** Settings of the tasks by length, as they are by themselves. */
    static LongContextSettings longContext() {
        return ConfigBinder.bind(ConfigNode.parse("{}", "test"), LongContextSettings.class);
    }
}
