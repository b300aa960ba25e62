package dev.tegu.eval.analysis;

import dev.tegu.eval.ReportTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** An analysis as tables for people: the variants, places, layers, and heads that matter most. */
public final class AnalysisTables {
    /** Heads in a table; the others are in the JSON. */
    private static final int HEADS = 8;

    private AnalysisTables() {}

    /** The tables, a blank line between them. */
    public static String of(AnalysisResult result) {
        List<String> tables = new ArrayList<>();
        tables.add(variants(result));
        tables.add(bins("position", result.agreement().byPosition()));
        if (result.layers().stream().anyMatch(AnalysisResult.Layer::isLinear)) {
            tables.add(bins("beyond window", result.agreement().byDistance()));
        }
        tables.add(layers(result));
        tables.add(worst(result));
        result.retrieval().ifPresent(retrieval -> tables.add(retrieval(retrieval)));
        return String.join("\n", tables);
    }

    private static String variants(AnalysisResult result) {
        List<List<String>> rows = new ArrayList<>();
        for (AnalysisResult.Variant variant : result.whole()) {
            rows.add(
                    List.of(
                            variant.name(),
                            number(variant.nll()),
                            number(Math.exp(variant.nll())),
                            number(variant.needleAccuracy())));
        }
        return new ReportTable(List.of("model", "nll", "perplexity", "needle acc"), 1, rows).text();
    }

    private static String bins(String title, List<AnalysisResult.Bin> bins) {
        List<List<String>> rows = new ArrayList<>();
        for (AnalysisResult.Bin bin : bins) {
            AnalysisResult.Comparison of = bin.comparison();
            rows.add(
                    List.of(
                            bin.from() + (bin.to() > bin.from() + 1 ? "-" + (bin.to() - 1) : ""),
                            String.valueOf(of.count()),
                            number(of.teacherNll()),
                            number(of.studentNll()),
                            number(of.kl()),
                            number(of.top1Agreement())));
        }
        return new ReportTable(
                        List.of(title, "tokens", "teacher nll", "student nll", "kl", "same top 1"),
                        1,
                        rows)
                .text();
    }

    private static String layers(AnalysisResult result) {
        List<List<String>> rows = new ArrayList<>();
        for (AnalysisResult.Layer layer : result.layers()) {
            AnalysisResult.LayerVariants nll = result.byLayer().get(layer.layer());
            rows.add(
                    List.of(
                            String.valueOf(layer.layer()),
                            layer.isLinear() ? "linear" : "softmax",
                            number(layer.relativeMse()),
                            number(layer.cosine()),
                            number(layer.updateRelativeMse()),
                            number(nll.windowOnly()),
                            number(nll.linearOnly()),
                            number(nll.none()),
                            number(nll.teacherLayer())));
        }
        return new ReportTable(
                        List.of(
                                "layer",
                                "attention",
                                "rel. error",
                                "cosine",
                                "update error",
                                "nll window only",
                                "linear only",
                                "none",
                                "teacher's layer"),
                        2,
                        rows)
                .text();
    }

    private static String worst(AnalysisResult result) {
        List<List<String>> rows = new ArrayList<>();
        result.worstHeads().stream()
                .limit(HEADS)
                .forEach(
                        head ->
                                rows.add(
                                        List.of(
                                                head.layer() + "." + head.head(),
                                                number(head.relativeMse()),
                                                number(head.cosine()),
                                                number(head.entropy()),
                                                number(head.weightBeyondWindow()))));
        return new ReportTable(
                        List.of(
                                "worst heads",
                                "rel. error",
                                "cosine",
                                "teacher's entropy",
                                "weight beyond window"),
                        1,
                        rows)
                .text();
    }

    private static String retrieval(AnalysisResult.Retrieval retrieval) {
        List<List<String>> rows = new ArrayList<>();
        retrieval.heads().stream()
                .limit(HEADS)
                .forEach(
                        head ->
                                rows.add(
                                        List.of(
                                                head.layer() + "." + head.head(),
                                                number(head.teacherScore()),
                                                number(head.studentScore()),
                                                number(head.teacherWeight()),
                                                number(head.studentWeight()))));
        String title =
                String.format(
                        Locale.ROOT,
                        "retrieval heads: %d of the teacher's, %d kept (%d of %d needles found)%n",
                        retrieval.teacherHeads().size(),
                        retrieval.keptHeads().size(),
                        retrieval.used(),
                        retrieval.documents());
        return title
                + new ReportTable(
                                List.of(
                                        "head",
                                        "teacher's score",
                                        "student's",
                                        "teacher's weight",
                                        "student's"),
                                1,
                                rows)
                        .text();
    }

    private static String number(OptionalDouble value) {
        return value.isPresent() ? number(value.getAsDouble()) : "-";
    }

    private static String number(double value) {
        boolean small = value != 0 && Math.abs(value) < 1e-3;
        return String.format(Locale.ROOT, small ? "%.1e" : "%.4f", value);
    }
}
