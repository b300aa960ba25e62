package dev.tegu.cli.bench;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;

/** The picture of a report: training, attention, decoding and memory, one above the other. */
public final class SpeedChart {
    private static final int WIDTH = 820;

    /** What a benchmark's picture is called. */
    public static final String FILE_NAME = "bench.png";

    private static final int HEIGHT = 420;
    private static final double MIB = 1 << 20;

    private SpeedChart() {}

    /** Writes a PNG. */
    public static void write(SpeedReport report, Path file) throws IOException {
        // No window is opened: the picture is drawn in memory.
        System.setProperty("java.awt.headless", "true");
        String where = report.settings().path("hardware").asText();
        List<Chart<?, ?>> charts = new ArrayList<>();
        if (!report.training().isEmpty()) {
            charts.add(training(report, where));
        }
        if (!report.attention().isEmpty()) {
            charts.add(
                    lines(
                            "Attention layer, forward and backward, " + where,
                            "tokens",
                            "milliseconds",
                            attention(report)));
        }
        if (!report.decoding().isEmpty()) {
            XYChart speed =
                    lines(
                            "Decoding, " + where,
                            "context",
                            "tokens/s",
                            decoding(report, DecodePoint::decodeTokensPerSecond));
            // within a decade a logarithmic axis has no numbers
            speed.getStyler().setYAxisLogarithmic(false);
            speed.getStyler().setYAxisMin(0.0);
            charts.add(speed);
            if (report.decoding().stream().allMatch(p -> p.peakBytes() != null)) {
                charts.add(
                        lines(
                                "Decoding: memory with weights, " + where,
                                "context",
                                "MiB",
                                decoding(report, p -> Math.max(MIB, p.peakBytes()) / MIB)));
            }
        }
        if (!charts.isEmpty()) {
            BitmapEncoder.saveBitmap(
                    charts, charts.size(), 1, file.toString(), BitmapEncoder.BitmapFormat.PNG);
        }
    }

    private record Curve(List<Double> x, List<Double> y) {
        Curve() {
            this(new ArrayList<>(), new ArrayList<>());
        }

        void add(double atX, double value) {
            x.add(atX);
            y.add(value);
        }
    }

    private static Map<String, Curve> attention(SpeedReport report) {
        Map<String, Curve> curves = new LinkedHashMap<>();
        for (BenchPoint p : report.attention()) {
            curves.computeIfAbsent(p.method() + ", " + p.form(), name -> new Curve())
                    .add(p.length(), p.trainingMillis());
        }
        return curves;
    }

    private static Map<String, Curve> decoding(
            SpeedReport report, ToDoubleFunction<DecodePoint> value) {
        Map<String, Curve> curves = new LinkedHashMap<>();
        for (DecodePoint p : report.decoding()) {
            curves.computeIfAbsent(p.model(), name -> new Curve())
                    .add(p.context(), value.applyAsDouble(p));
        }
        return curves;
    }

    private static XYChart lines(String title, String x, String y, Map<String, Curve> curves) {
        XYChart chart =
                new XYChartBuilder()
                        .width(WIDTH)
                        .height(HEIGHT)
                        .title(title)
                        .xAxisTitle(x)
                        .yAxisTitle(y)
                        .build();
        chart.getStyler().setXAxisLogarithmic(true);
        chart.getStyler().setYAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        curves.forEach((name, curve) -> chart.addSeries(name, curve.x(), curve.y()));
        return chart;
    }

    private static CategoryChart training(SpeedReport report, String where) {
        CategoryChart chart =
                new CategoryChartBuilder()
                        .width(WIDTH)
                        .height(HEIGHT)
                        .title("Training, " + where)
                        .yAxisTitle("tokens/s")
                        .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        Map<String, Map<String, Double>> stages = new LinkedHashMap<>();
        for (TrainingPoint p : report.training()) {
            stages.computeIfAbsent(p.stage(), name -> new LinkedHashMap<>())
                    .put(p.method(), p.tokensPerSecond());
        }
        List<String> methods =
                report.training().stream().map(TrainingPoint::method).distinct().toList();
        stages.forEach(
                (stage, rates) ->
                        chart.addSeries(
                                stage,
                                methods,
                                methods.stream().map(m -> rates.getOrDefault(m, 0.0)).toList()));
        return chart;
    }
}
