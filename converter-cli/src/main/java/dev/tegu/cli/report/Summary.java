package dev.tegu.cli.report;

import dev.tegu.cli.watch.Html;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/** One line a model: what it is, what it costs, what it keeps of the first one. */
final class Summary {
    private static final List<TaskGroup> SHARES =
            List.of(TaskGroup.KNOWLEDGE, TaskGroup.READING, TaskGroup.OTHER, TaskGroup.RECALL);

    private final Columns columns;

    Summary(Columns columns) {
        this.columns = columns;
    }

    String html() {
        List<List<String>> rows = new ArrayList<>();
        for (Measured model : columns.models()) {
            OptionalLong trained = model.facts().trained();
            rows.add(
                    List.of(
                            model.name(),
                            model.facts().attention().orElse("-"),
                            state(model),
                            trained.isPresent() ? Words.whole(trained.getAsLong()) : "-",
                            model == columns.baseline()
                                    ? "the others are compared with it"
                                    : kept(model)));
        }
        List<String> header =
                List.of("model", "attention", "state, bytes", "trained parameters", "keeps");
        boolean hasTrained =
                columns.models().stream().anyMatch(m -> m.facts().trained().isPresent());
        return table(header, rows, hasTrained ? -1 : 3);
    }

    /**
     * @param without a column that nothing is known of, or -1
     */
    private static String table(List<String> header, List<List<String>> rows, int without) {
        StringBuilder html =
                new StringBuilder("<div class=\"scroll\"><table class=\"summary\">\n<thead><tr>");
        for (int i = 0; i < header.size(); i++) {
            if (i != without) {
                html.append("<th scope=\"col\">" + header.get(i) + "</th>");
            }
        }
        html.append("</tr></thead>\n<tbody>\n");
        for (List<String> row : rows) {
            html.append("<tr><th scope=\"row\">" + Html.escaped(row.get(0)) + "</th>");
            for (int i = 1; i < row.size(); i++) {
                if (i != without) {
                    String kind = i == 1 || i == row.size() - 1 ? " class=\"word\"" : "";
                    // narrow screens show it before the cell instead of above the column
                    String label = " data-label=\"" + header.get(i) + "\"";
                    html.append("<td" + kind + label + ">" + Html.escaped(row.get(i)) + "</td>");
                }
            }
            html.append("</tr>\n");
        }
        return html.append("</tbody></table></div>\n").toString();
    }

    private String state(Measured model) {
        OptionalLong bytes = model.stateBytes();
        OptionalLong first = columns.baseline().stateBytes();
        if (bytes.isEmpty()) {
            return "-";
        }
        String part =
                model == columns.baseline() || first.isEmpty() || first.getAsLong() == 0
                        ? ""
                        : " ("
                                + Words.percent((double) bytes.getAsLong() / first.getAsLong())
                                + ")";
        return Words.whole(bytes.getAsLong()) + part;
    }

    /** {@code 98 % of knowledge; 40 % of recall; 1.04 times the perplexity}. */
    private String kept(Measured model) {
        List<String> parts = new ArrayList<>();
        for (TaskGroup group : SHARES) {
            share(model, group).ifPresent(parts::add);
        }
        List<String> factors = new ArrayList<>();
        for (TaskNumbers task : columns.tasks().getOrDefault(TaskGroup.PERPLEXITY, List.of())) {
            OptionalDouble before = headline(columns.baseline(), task);
            OptionalDouble after = headline(model, task);
            if (before.isPresent() && after.isPresent() && before.getAsDouble() != 0) {
                factors.add(
                        String.format(
                                Locale.ROOT,
                                "%.3f times the %s of %s",
                                after.getAsDouble() / before.getAsDouble(),
                                task.headline().name(),
                                task.alias()));
            }
        }
        parts.addAll(factors);
        return parts.isEmpty() ? "-" : String.join("; ", parts);
    }

    private Optional<String> share(Measured model, TaskGroup group) {
        double before = 0;
        double after = 0;
        double chance = 0;
        int count = 0;
        boolean isChance = true;
        for (TaskNumbers task : columns.tasks().getOrDefault(group, List.of())) {
            OptionalDouble first = headline(columns.baseline(), task);
            OptionalDouble second = headline(model, task);
            if (task.headline().isShare() && first.isPresent() && second.isPresent()) {
                before += first.getAsDouble();
                after += second.getAsDouble();
                OptionalDouble guessing = columns.baseline().items(task.task()).chance();
                isChance &= guessing.isPresent();
                chance += guessing.orElse(0);
                count++;
            }
        }
        if (count == 0 || before == 0) {
            return Optional.empty();
        }
        String text = Words.percent(after / before) + " of " + word(group);
        if (isChance) {
            text +=
                    before > chance
                            ? " ("
                                    + Words.percent((after - chance) / (before - chance))
                                    + " of what is above guessing)"
                            : " (the first model is no better than guessing)";
        }
        return Optional.of(text);
    }

    private static String word(TaskGroup group) {
        return group == TaskGroup.OTHER ? "other tasks" : group.title().toLowerCase(Locale.ROOT);
    }

    /** Empty where the model was asked otherwise than the first one. */
    private OptionalDouble headline(Measured model, TaskNumbers task) {
        if (!model.isAskedAs(columns.baseline(), task.task())) {
            return OptionalDouble.empty();
        }
        return model.task(task.task())
                .flatMap(numbers -> numbers.value(task.headline()))
                .map(value -> OptionalDouble.of(value.value()))
                .orElse(OptionalDouble.empty());
    }
}
