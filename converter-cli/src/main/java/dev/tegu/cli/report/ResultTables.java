package dev.tegu.cli.report;

import dev.tegu.cli.watch.Html;
import dev.tegu.eval.Interval;
import dev.tegu.eval.Paired;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/** Tasks by models: values, intervals, differences to the first model and how certain they are. */
final class ResultTables {
    private static final String MARKS =
            """
            <p class="note">In each cell: the value; its 95 % interval (Wilson's where every item is right or wrong, else 1.96 standard errors
            to each side); the difference to <b>FIRST</b>. ▲ better, ▼ worse, ≈ no difference to see: by the items that both models answered, with
            McNemar's exact test where they are right or wrong, else the paired t-test, two-sided; of perplexities by the items' losses.
            * p &lt; 0.05, ** p &lt; 0.01, *** p &lt; 0.001. No mark: the items are not known.
            "On N of both": the difference on the questions that both were asked. "Asked otherwise": there are none, or the items are not known and the settings differ. MANY</p>
            """;

    private final Columns columns;
    private int tests;

    ResultTables(Columns columns) {
        this.columns = columns;
    }

    /** The headline of each task, grouped. */
    String headlines() {
        StringBuilder rows = new StringBuilder();
        columns.tasks()
                .forEach(
                        (group, tasks) -> {
                            rows.append(
                                    "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\""
                                            + (columns.models().size() + 1)
                                            + "\">"
                                            + group.title()
                                            + "</th></tr>\n");
                            tasks.forEach(task -> appendRow(rows, task, task.headline()));
                        });
        String many =
                tests < 2
                        ? ""
                        : String.format(
                                Locale.ROOT,
                                "Of the %d differences tested here, about %.1f would have a mark by"
                                        + " chance alone.",
                                tests,
                                tests * Comparison.LEVELS.get(0));
        String table = table("Results, a row a task and a column a model", rows);
        return columns.others().isEmpty()
                ? table
                : table
                        + MARKS.replace("MANY", many)
                                .replace("FIRST", Html.escaped(columns.baseline().name()));
    }

    /** Every number of every task, parts of groups too. */
    String everything() {
        StringBuilder rows = new StringBuilder();
        for (TaskNumbers task : columns.all()) {
            task.values().forEach(value -> appendRow(rows, task, value));
        }
        return "<details><summary>All metrics, and the parts of groups</summary>\n"
                + table("All metrics of all tasks", rows)
                + "</details>\n";
    }

    /** Where models differ, with p. */
    String pairs() {
        StringBuilder rows = new StringBuilder();
        for (TaskNumbers task : columns.tasks().values().stream().flatMap(List::stream).toList()) {
            for (Measured other : columns.others()) {
                Optional<Map.Entry<TaskNumbers.Value, Paired>> pair =
                        paired(other, task, task.headline());
                pair.ifPresent(
                        found ->
                                rows.append(
                                        "<tr><th scope=\"row\">"
                                                + Html.escaped(task.alias())
                                                + "</th><td class=\"word\">"
                                                + Html.escaped(found.getKey().name())
                                                + "</td><td class=\"word\">"
                                                + Html.escaped(other.name())
                                                + "</td><td>"
                                                + found.getValue().items()
                                                + "</td><td>"
                                                + difference(found.getValue())
                                                + "</td><td>"
                                                + Html.escaped(Words.p(found.getValue().pValue()))
                                                + "</td></tr>\n"));
            }
        }
        if (rows.isEmpty()) {
            return "";
        }
        return "<details><summary>Item by item: differences and p</summary>\n<div"
                + " class=\"scroll\"><table class=\"pairs\"><thead><tr><th scope=\"col\">task</th><th"
                + " scope=\"col\">metric of an item</th><th scope=\"col\">model</th><th"
                + " scope=\"col\">items of both</th><th scope=\"col\">difference</th><th"
                + " scope=\"col\">p</th></tr></thead>\n<tbody>\n"
                + rows
                + "</tbody></table></div></details>\n";
    }

    private static String difference(Paired paired) {
        String error =
                paired.standardError().isPresent()
                        ? " ± " + Words.value(paired.standardError().getAsDouble())
                        : "";
        return Words.difference(paired.difference()) + error;
    }

    private String table(String caption, StringBuilder rows) {
        StringBuilder head = new StringBuilder("<th scope=\"col\">task</th>");
        columns.names()
                .forEach(name -> head.append("<th scope=\"col\">" + Html.escaped(name) + "</th>"));
        return "<div class=\"scroll\"><table class=\"results\"><caption class=\"unseen\">"
                + caption
                + "</caption>\n<thead><tr>"
                + head
                + "</tr></thead>\n<tbody>\n"
                + rows
                + "</tbody></table></div>\n";
    }

    private void appendRow(StringBuilder rows, TaskNumbers task, TaskNumbers.Value metric) {
        String items =
                task.items() > 0
                        ? ", " + task.items() + (task.items() == 1 ? " item" : " items")
                        : "";
        rows.append("<tr><th scope=\"row\">")
                .append(Html.escaped((task.isPart() ? "– " : "") + task.alias()))
                .append("<small>")
                .append(Html.escaped(metric.name()))
                .append(metric.higherIsBetter() ? " ↑" : " ↓")
                .append(items)
                .append("</small></th>");
        for (Measured model : columns.models()) {
            rows.append(cell(model, task, metric));
        }
        rows.append("</tr>\n");
    }

    private String cell(Measured model, TaskNumbers task, TaskNumbers.Value metric) {
        Optional<TaskNumbers.Value> found =
                model.task(task.task()).flatMap(numbers -> numbers.value(metric));
        if (found.isEmpty()) {
            return "<td>-</td>";
        }
        TaskNumbers.Value value = found.get();
        StringBuilder cell = new StringBuilder("<td>").append(Words.value(value.value()));
        Optional<Interval> interval = model.interval(task.task(), value);
        interval.ifPresent(
                range -> cell.append("<small>").append(Words.interval(range)).append("</small>"));
        Optional<TaskNumbers.Value> first =
                columns.baseline().task(task.task()).flatMap(numbers -> numbers.value(metric));
        if (model != columns.baseline() && first.isPresent()) {
            cell.append("<small>")
                    .append(
                            model.isAskedAs(columns.baseline(), task.task())
                                    ? Words.difference(value.value() - first.get().value())
                                            + mark(paired(model, task, metric))
                                    : onShared(model, task, metric))
                    .append("</small>");
        }
        return cell.append("</td>").toString();
    }

    /** The difference on the questions that both were asked, where these are not all. */
    private String onShared(Measured model, TaskNumbers task, TaskNumbers.Value metric) {
        Optional<Map.Entry<TaskNumbers.Value, Paired>> pair =
                paired(model, task, metric).filter(found -> found.getKey().equals(metric));
        return pair.map(
                        found ->
                                Words.difference(found.getValue().difference())
                                        + mark(pair)
                                        + " on "
                                        + found.getValue().items()
                                        + " of both")
                .orElse("asked otherwise");
    }

    private String mark(Optional<Map.Entry<TaskNumbers.Value, Paired>> paired) {
        return paired.map(
                        pair -> {
                            tests++;
                            String mark =
                                    Comparison.mark(
                                            pair.getValue(), pair.getKey().higherIsBetter());
                            String kind =
                                    mark.startsWith("▲")
                                            ? "better"
                                            : mark.startsWith("▼") ? "worse" : "same";
                            OptionalDouble p = pair.getValue().pValue();
                            return String.format(
                                    Locale.ROOT,
                                    " <span class=\"%s\" title=\"p %s\">%s</span>",
                                    kind,
                                    Html.escaped(Words.p(p)),
                                    mark);
                        })
                .orElse("");
    }

    /** By the metric itself, or of a perplexity by the loss that its items have. */
    private Optional<Map.Entry<TaskNumbers.Value, Paired>> paired(
            Measured model, TaskNumbers task, TaskNumbers.Value metric) {
        List<TaskNumbers.Value> candidates =
                metric.higherIsBetter()
                        ? List.of(metric)
                        : Stream.concat(
                                        Stream.of(metric),
                                        task.values().stream().filter(v -> !v.higherIsBetter()))
                                .toList();
        for (TaskNumbers.Value candidate : candidates) {
            Optional<Paired> paired =
                    Comparison.of(columns.baseline(), model, task.task(), candidate.metric());
            if (paired.isPresent()) {
                return Optional.of(Map.entry(candidate, paired.get()));
            }
        }
        return Optional.empty();
    }
}
