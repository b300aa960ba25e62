package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.InputException;
import dev.tegu.cli.watch.Html;
import dev.tegu.cli.watch.RunReport;
import dev.tegu.eval.Interval;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * One page that sets models beside the first of them: results, recall, what the new attention does,
 * memory and speed, training. It needs no other file, no script and no network, and the same files
 * always make the same page.
 */
public final class ComparisonPage {
    private static final int TASKS_A_PICTURE = 8;

    private static final String STYLE =
            """
            :root { color-scheme: light dark; --ink: #222222; --ground: #ffffff; --line: #d5d8dc; --soft: #5b6470; --box: #f5f6f8;
                    --better: #00684a; --worse: #a63a00; }
            @media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --ground: #16181b; --line: #3a3f46; --soft: #a5adb8;
                    --box: #22262b; --better: #4cc9a0; --worse: #ff9a5c; } }
            body { font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 1040px;
                   margin: 0 auto; padding: 12px 16px 40px; }
            h1 { font-size: 1.5em; overflow-wrap: anywhere; } h2 { margin-top: 2em; } h3, h4, p, summary, li { overflow-wrap: anywhere; }
            table { border-collapse: collapse; margin: 8px 0; }
            th, td { padding: 4px 14px 4px 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top;
                     font-variant-numeric: tabular-nums; white-space: nowrap; }
            th { text-align: left; font-weight: 600; } thead th { text-align: right; vertical-align: bottom; }
            thead th:first-child { text-align: left; } td.word { text-align: left; white-space: normal; min-width: 150px; }
            .summary thead th, .pairs th:nth-child(2), .pairs th:nth-child(3) { text-align: left; }
            td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: 12px; }
            tr.group th { padding-top: 14px; color: var(--soft); }
            .better { color: var(--better); font-weight: 600; } .worse { color: var(--worse); font-weight: 600; }
            .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
            .scroll { overflow-x: auto; } .note { color: var(--soft); font-size: 14px; }
            figure { margin: 16px 0; background: #ffffff; border-radius: 6px; } img, svg { width: 100%; height: auto; display: block; }
            .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 6px 8px; margin: 8px 0;
                      background: #ffffff; color: #222222; border-radius: 6px; font-size: 14px; }
            .legend li { display: flex; align-items: center; gap: 6px; } .legend svg { width: 12px; height: 12px; flex: none; }
            .maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); gap: 0 24px; }
            .maps figure { margin: 8px 0; padding: 6px; } .narrow { display: none; }
            pre { overflow-x: auto; background: var(--box); padding: 12px; font-size: 13px; }
            code { background: var(--box); overflow-wrap: anywhere; } summary { cursor: pointer; margin: 10px 0; }
            .results tbody th { position: sticky; left: 0; background: var(--ground); }
            @media (max-width: 640px) { .wide { display: none; } .narrow { display: block; } th, td { padding-right: 9px; }
                    .results th small { white-space: normal; max-width: 130px; }
                    .summary thead { display: none; } .summary tr { display: block; border-bottom: 1px solid var(--line); padding: 6px 0; }
                    .summary th, .summary td, .summary td.word { display: block; text-align: left; white-space: normal; border: 0; padding: 1px 0; }
                    .summary td::before { content: attr(data-label) ": "; color: var(--soft); } }
            @media print { body { max-width: none; } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
                           .scroll { overflow: visible; } th, td { padding-right: 8px; font-size: 11px; } }
            """;

    private final Sources sources;
    private final String command;
    private final StringBuilder html = new StringBuilder();
    private final List<String> missing = new ArrayList<>();

    private ComparisonPage(Sources sources, String command) {
        this.sources = sources;
        this.command = command;
    }

    /**
     * Writes the page; what stood in its place before is replaced in one step, and not touched if
     * it is the same.
     *
     * @param places outputs of runs, evaluations, analyses and benchmarks, or result files
     * @param baseline the model that others are compared with; if empty, the first one
     * @param command how to make the page again, which stands on it
     * @return models, tasks and bytes of the page, in words
     * @throws InputException if a place holds nothing to show, or no model has the baseline's name
     * @throws IOException if a file cannot be read or the page not be written
     */
    public static String write(
            List<Path> places, Optional<String> baseline, String command, Path file)
            throws IOException {
        Sources sources = Sources.read(places, baseline);
        byte[] page = new ComparisonPage(sources, command).page().getBytes(StandardCharsets.UTF_8);
        if (!Files.exists(file) || !Arrays.equals(page, Files.readAllBytes(file))) {
            Durable.write(file, page);
        }
        int tasks = sources.models().isEmpty() ? 0 : new Columns(sources.models()).all().size();
        return counted(sources.models().size(), "model")
                + ", "
                + counted(tasks, "task")
                + ", "
                + Words.whole(page.length / 1000.0)
                + " kB";
    }

    private static String counted(int count, String word) {
        return count + " " + word + (count == 1 ? "" : "s");
    }

    private String page() throws IOException {
        String title = title();
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width\">\n")
                .append("<link rel=\"icon\" href=\"data:,\">\n")
                .append("<title>" + Html.escaped(title) + "</title>\n")
                .append("<style>\n" + STYLE + "</style>\n</head>\n<body>\n<main>\n")
                .append("<h1>" + Html.escaped(title) + "</h1>\n");
        if (sources.models().isEmpty()) {
            missing.add("results of an evaluation (`scripts/tegu eval --output`)");
        } else {
            appendResults(new Columns(sources.models()));
        }
        if (sources.analyses().isEmpty()) {
            missing.add("what the attention of each layer does (`scripts/tegu analyze`)");
        } else {
            List<String> names = sources.models().stream().map(Measured::name).toList();
            section(
                    "What the new attention does",
                    new UnderstandingSection(sources.analyses(), names).html());
        }
        if (sources.benches().isEmpty()) {
            missing.add("speed (`scripts/tegu bench --output`)");
        }
        section(
                "Memory and speed",
                new CostSection(new Columns(sources.models()), sources.benches()).html());
        appendTraining();
        appendSources();
        return html.append("</main>\n</body>\n</html>\n").toString();
    }

    private String title() {
        if (sources.places().size() == 1 && sources.runs().size() == 1) {
            return "Run " + sources.runs().keySet().iterator().next();
        }
        List<String> names = sources.models().stream().map(Measured::name).toList();
        if (names.isEmpty()) {
            return "Report";
        }
        return names.size() == 1
                ? names.get(0)
                : names.size() < 5
                        ? names.get(0) + " beside " + Words.list(names.subList(1, names.size()))
                        : names.get(0) + " beside " + (names.size() - 1) + " others";
    }

    /** A section with nothing in it does not appear. */
    private void section(String title, String content) {
        if (!content.isEmpty()) {
            html.append("<h2>" + title + "</h2>\n").append(content);
        }
    }

    private void appendResults(Columns columns) throws IOException {
        html.append(new Summary(columns).html());
        section("Results", results(columns));
        RecallSection recall = new RecallSection(columns);
        String maps = recall.maps();
        section(
                "Recall by length and depth",
                maps.isEmpty()
                        ? ""
                        : "<p class=\"note\">The share of right answers stands in each cell, pale"
                                + " for 1 and dark for 0, the same colours in all maps.</p>\n"
                                + maps);
        String distances = recall.distances();
        section(
                "Recall by distance",
                distances.isEmpty()
                        ? ""
                        : Palette.legend(columns.names())
                                + distances
                                + "<p class=\"note\">Bars: one standard error. What a window shows"
                                + " is at small distances; beyond it only the linear branch"
                                + " knows.</p>\n");
        List<String> bare =
                columns.models().stream()
                        .filter(model -> !model.hasSamples())
                        .map(Measured::name)
                        .toList();
        if (!bare.isEmpty()) {
            missing.add(
                    "the items of "
                            + Words.list(bare)
                            + ", so no significance (`--output` of eval)");
        }
        if (columns.models().stream().anyMatch(m -> m.facts().attention().isEmpty())) {
            missing.add("the attention of models whose result file does not name it");
        }
    }

    private static String results(Columns columns) throws IOException {
        ResultTables tables = new ResultTables(columns);
        StringBuilder content = new StringBuilder(tables.headlines());
        boolean hasLegend = false;
        boolean hasChance = false;
        for (Map.Entry<TaskGroup, List<TaskNumbers>> group : columns.tasks().entrySet()) {
            List<DotChart.Row> rows =
                    group.getValue().stream()
                            .filter(task -> task.headline().isShare())
                            .map(task -> row(columns, task))
                            .toList();
            for (int from = 0; from < rows.size(); from += TASKS_A_PICTURE) {
                List<DotChart.Row> some =
                        rows.subList(from, Math.min(rows.size(), from + TASKS_A_PICTURE));
                if (!hasLegend) {
                    content.append(Palette.legend(columns.names()));
                    hasLegend = true;
                }
                hasChance |= some.stream().anyMatch(row -> row.chance().isPresent());
                content.append(new DotChart(group.getKey().title(), some).figure());
            }
        }
        if (hasLegend) {
            content.append("<p class=\"note\">Lines through the marks: 95 % intervals.")
                    .append(hasChance ? " Dashed: what guessing gets.</p>\n" : "</p>\n");
        }
        return content.append(tables.pairs()).append(tables.everything()).toString();
    }

    private static DotChart.Row row(Columns columns, TaskNumbers task) {
        List<DotChart.Dot> dots = new ArrayList<>();
        OptionalDouble chance = OptionalDouble.empty();
        for (int i = 0; i < columns.models().size(); i++) {
            Measured model = columns.models().get(i);
            Optional<TaskNumbers.Value> value =
                    model.task(task.task()).flatMap(numbers -> numbers.value(task.headline()));
            if (value.isPresent()) {
                double at = value.get().value();
                Interval interval =
                        model.interval(task.task(), value.get()).orElse(new Interval(at, at));
                dots.add(new DotChart.Dot(i, model.name(), at, interval.low(), interval.high()));
            }
            if (chance.isEmpty()) {
                chance = model.items(task.task()).chance();
            }
        }
        return new DotChart.Row(task.alias(), dots, chance);
    }

    private void appendTraining() throws IOException {
        for (Map.Entry<String, Path> run : sources.runs().entrySet()) {
            if (Files.exists(run.getValue().resolve("metrics.jsonl"))) {
                section(
                        "Training of " + Html.escaped(run.getKey()),
                        RunReport.training(run.getValue()));
            } else {
                missing.add("losses of " + run.getKey() + " (no metrics.jsonl)");
            }
        }
    }

    private void appendSources() throws IOException {
        html.append("<h2>Where it comes from</h2>\n");
        if (!missing.isEmpty()) {
            html.append("<p>Not on this page: ")
                    .append(Html.escaped(String.join("; ", missing)))
                    .append(".</p>\n");
        }
        sources.notes()
                .forEach(
                        note -> html.append("<p class=\"note\">" + Html.escaped(note) + ".</p>\n"));
        List<List<String>> rows = new ArrayList<>();
        for (Measured model : sources.models()) {
            JsonNode config = model.json().path("config");
            rows.add(
                    List.of(
                            model.name(),
                            model.file().toString(),
                            text(config, "model_dtype"),
                            text(config, "device"),
                            text(config, "batch_size"),
                            text(config, "limit"),
                            text(config, "random_seed"),
                            text(config, "weights_sha256")));
        }
        if (!rows.isEmpty()) {
            html.append(
                    Html.table(
                            List.of(
                                    "model",
                                    "results",
                                    "type",
                                    "device",
                                    "batch",
                                    "limit",
                                    "seed",
                                    "SHA-256 of the weights"),
                            rows));
        }
        appendTaskSettings();
        for (Map.Entry<String, Path> run : sources.runs().entrySet()) {
            appendRun(run.getKey(), run.getValue());
        }
        html.append("<p>To make this page again:</p>\n<pre>")
                .append(Html.escaped(command))
                .append("</pre>\n");
    }

    private void appendTaskSettings() {
        if (sources.models().isEmpty()) {
            return;
        }
        Measured first = sources.models().get(0);
        JsonNode configs = first.json().path("configs");
        if (configs.isObject() && !configs.isEmpty()) {
            html.append("<details><summary>Settings of the tasks, as ")
                    .append(Html.escaped(first.name()))
                    .append(" was asked them</summary>\n<pre>")
                    .append(Html.escaped(configs.toPrettyString()))
                    .append("</pre></details>\n");
        }
    }

    private void appendRun(String name, Path run) throws IOException {
        html.append("<details><summary>Settings of the run ")
                .append(Html.escaped(name))
                .append("; behind each value, where it came from</summary>\n<pre>")
                .append(Html.escaped(Files.readString(run.resolve("config.effective.yaml"))))
                .append("</pre>\n");
        if (Files.exists(run.resolve("student").resolve(Manifest.FILE_NAME))) {
            List<List<String>> rows = new ArrayList<>();
            Manifest.read(run.resolve("student"))
                    .properties()
                    .forEach((key, value) -> rows.add(List.of(key, value)));
            html.append(Html.table(List.of("made from", ""), rows));
        }
        html.append("</details>\n");
    }

    private static String text(JsonNode config, String key) {
        JsonNode value = config.path(key);
        return value.isValueNode() && !value.isNull() ? value.asText() : "-";
    }
}
