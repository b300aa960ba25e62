package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.cli.watch.Html;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What the new attention does: errors of layers, ablations, retrieval heads, agreement. */
final class UnderstandingSection {
    private static final int MOST_HEADS = 12;
    private static final List<String> VARIANTS =
            List.of("none", "window_only", "linear_only", "teacher_layer");

    private final Map<String, JsonNode> analyses;
    private final Map<String, Integer> places = new LinkedHashMap<>();

    /**
     * @param analyses by name of the student
     * @param models that have a colour already
     */
    UnderstandingSection(Map<String, JsonNode> analyses, List<String> models) {
        this.analyses = analyses;
        int next = models.size();
        for (String name : analyses.keySet()) {
            int known = models.indexOf(name);
            places.put(name, known >= 0 ? known : Math.max(1, next));
            next += known >= 0 ? 0 : 1;
        }
    }

    String html() throws IOException {
        StringBuilder html = new StringBuilder();
        Map<Integer, String> legend = new LinkedHashMap<>();
        places.forEach((name, place) -> legend.put(place, name));
        html.append(Palette.legend(legend));
        append(
                html,
                agreement("by_distance_beyond_window", "kl", "KL(teacher, student), nats")
                        .ofPowers(),
                "How far the student's predictions are from the teacher's, by how many earlier"
                        + " tokens its window does not show (0 stands at a half): what the linear"
                        + " branch has to carry.");
        append(
                html,
                agreement("by_distance_beyond_window", "top1_agreement", "share of tokens")
                        .ofShares(),
                "How often both find the same token the most probable.");
        append(html, agreement("by_position", "kl", "KL(teacher, student), nats").ofPowers(), "");
        append(
                html,
                layers(),
                "Squared error of the heads' outputs over the teacher's square, each layer fed with"
                        + " the teacher's input: 0 is perfect, 1 as bad as nothing.");
        for (Map.Entry<String, JsonNode> analysis : analyses.entrySet()) {
            appendOne(html, analysis.getKey(), analysis.getValue());
        }
        return html.toString();
    }

    private static void append(StringBuilder html, LineChart chart, String words)
            throws IOException {
        if (!chart.isEmpty()) {
            html.append(chart.figure());
            if (!words.isEmpty()) {
                html.append("<p class=\"note\">" + words + "</p>\n");
            }
        }
    }

    private LineChart agreement(String bins, String key, String unit) {
        boolean byPosition = bins.equals("by_position");
        LineChart chart =
                new LineChart(
                        (key.equals("kl") ? "Divergence" : "Same most probable token")
                                + (byPosition ? " by position" : " beyond the window"),
                        byPosition
                                ? "position in the text, from"
                                : "tokens that the window does not show, from",
                        unit,
                        true);
        analyses.forEach(
                (name, json) -> {
                    List<LineChart.Point> points = new ArrayList<>();
                    for (JsonNode bin : json.path("agreement").path(bins)) {
                        points.add(
                                new LineChart.Point(bin.path("from").asDouble(), number(bin, key)));
                    }
                    if (points.size() > 1) {
                        chart.add(places.get(name), name, points);
                    }
                });
        return chart;
    }

    private LineChart layers() {
        LineChart chart =
                new LineChart("Attention error of each layer", "layer", "relative error", false)
                        .ofPowers();
        analyses.forEach(
                (name, json) -> {
                    List<LineChart.Point> points = new ArrayList<>();
                    for (JsonNode layer : json.path("layers")) {
                        points.add(
                                new LineChart.Point(
                                        layer.path("layer").asDouble(),
                                        number(layer, "relative_mse")));
                    }
                    chart.add(places.get(name), name, points);
                });
        return chart;
    }

    private static void appendOne(StringBuilder html, String name, JsonNode json)
            throws IOException {
        html.append("<h3>" + Html.escaped(name) + "</h3>\n");
        JsonNode mean = json.path("agreement").path("mean");
        if (mean.isObject()) {
            html.append(
                    String.format(
                            Locale.ROOT,
                            "<p>Over %s tokens: the same most probable token as the teacher for"
                                    + " %s, KL %s nats, loss %s instead of %s.</p>\n",
                            Words.whole(mean.path("count").asDouble()),
                            Words.percent(number(mean, "top1_agreement")),
                            Words.value(number(mean, "kl")),
                            Words.value(number(mean, "student_nll")),
                            Words.value(number(mean, "teacher_nll"))));
        }
        appendAblations(html, json.path("ablations"));
        appendRetrieval(html, json.path("retrieval"));
        appendWorst(html, json);
    }

    private static void appendAblations(StringBuilder html, JsonNode ablations) throws IOException {
        List<List<String>> rows = new ArrayList<>();
        double student = Double.NaN;
        for (JsonNode variant : ablations.path("whole")) {
            String word = variant.path("variant").asText();
            student = word.equals("student") ? number(variant, "nll") : student;
            rows.add(
                    List.of(
                            word.replace('_', ' '),
                            Words.value(number(variant, "nll")),
                            Words.value(number(variant, "perplexity")),
                            Words.value(number(variant, "needle_accuracy"))));
        }
        if (!rows.isEmpty()) {
            html.append("<h4>Without a branch, in all layers</h4>\n")
                    .append(
                            Html.table(
                                    List.of("attention", "loss", "perplexity", "needles found"),
                                    rows));
        }
        LineChart chart =
                new LineChart(
                        "One layer changed", "layer", "loss more than the student's, nats", false);
        Map<Integer, String> legend = new LinkedHashMap<>();
        for (int i = 0; i < VARIANTS.size(); i++) {
            List<LineChart.Point> points = new ArrayList<>();
            for (JsonNode layer : ablations.path("by_layer")) {
                points.add(
                        new LineChart.Point(
                                layer.path("layer").asDouble(),
                                number(layer, VARIANTS.get(i)) - student));
            }
            String word = VARIANTS.get(i).replace('_', ' ');
            chart.add(i, word, points);
            if (points.stream().anyMatch(p -> Double.isFinite(p.y()))) {
                legend.put(i, word);
            }
        }
        if (!chart.isEmpty()) {
            html.append("<h4>Without a branch, in one layer</h4>\n")
                    .append(Palette.legend(legend))
                    .append(chart.figure())
                    .append(
                            "<p class=\"note\">Below 0: the student is better with the change. The"
                                    + " teacher's layer in its place shows what linearizing that"
                                    + " layer costs.</p>\n");
        }
    }

    private static void appendRetrieval(StringBuilder html, JsonNode retrieval) {
        if (!retrieval.isObject() || retrieval.path("used").asInt() == 0) {
            return;
        }
        double threshold = retrieval.path("threshold").asDouble();
        html.append("<h4>Retrieval heads</h4>\n")
                .append(
                        String.format(
                                Locale.ROOT,
                                "<p>Heads of the teacher that copy needles (score %s or more, over %d"
                                        + " documents): %d. The student keeps <b>%d</b>.</p>\n",
                                Words.small(threshold),
                                retrieval.path("used").asInt(),
                                retrieval.path("teacher_heads").asInt(),
                                retrieval.path("kept_heads").asInt()));
        List<List<String>> rows = new ArrayList<>();
        for (JsonNode head : retrieval.path("heads")) {
            if (rows.size() < MOST_HEADS && number(head, "teacher_score") >= threshold) {
                boolean isKept = number(head, "student_score") >= threshold;
                rows.add(
                        List.of(
                                head(head),
                                Words.value(number(head, "teacher_score")),
                                Words.value(number(head, "student_score")),
                                Words.value(number(head, "teacher_needle_weight")),
                                Words.value(number(head, "student_needle_weight")),
                                isKept ? "yes" : "no"));
            }
        }
        if (!rows.isEmpty()) {
            html.append(
                    Html.table(
                            List.of(
                                    "head",
                                    "teacher's score",
                                    "student's score",
                                    "teacher's weight on the needle",
                                    "student's",
                                    "kept"),
                            rows));
        }
    }

    private static void appendWorst(StringBuilder html, JsonNode json) {
        List<List<String>> rows = new ArrayList<>();
        for (JsonNode worst : json.path("worst_heads")) {
            JsonNode head =
                    json.path("layers")
                            .path(worst.path("layer").asInt())
                            .path("heads")
                            .path(worst.path("head").asInt());
            if (rows.size() < MOST_HEADS) {
                rows.add(
                        List.of(
                                head(worst),
                                Words.value(number(worst, "relative_mse")),
                                Words.value(number(head, "cosine")),
                                Words.value(number(head, "teacher_entropy")),
                                Words.value(number(head, "teacher_weight_beyond_window"))));
            }
        }
        if (!rows.isEmpty()) {
            html.append("<details><summary>Heads that lose most</summary>\n")
                    .append(
                            Html.table(
                                    List.of(
                                            "head",
                                            "relative error",
                                            "cosine",
                                            "teacher's entropy",
                                            "teacher's weight beyond the window"),
                                    rows))
                    .append("</details>\n");
        }
    }

    private static String head(JsonNode head) {
        return "layer " + head.path("layer").asInt() + ", head " + head.path("head").asInt();
    }

    private static double number(JsonNode node, String key) {
        return node.path(key).asDouble(Double.NaN);
    }
}
