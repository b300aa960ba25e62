package dev.tegu.cli.bench;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.lines.SeriesLines;

/**
 * Time and memory of a report against the length, both axes logarithmic, so that linear growth is a
 * line of slope 1 and quadratic growth one of slope 2.
 */
public final class BenchChart {
    private static final int WIDTH = 760;
    private static final int HEIGHT = 440;
    private static final double MIB = 1 << 20;

    private BenchChart() {}

    /** Writes a PNG. */
    public static void write(BenchReport report, Path file) throws IOException {
        // No window is opened: the picture is drawn in memory.
        System.setProperty("java.awt.headless", "true");
        XYChart time =
                chart(report, "Forward and backward", "milliseconds", BenchPoint::trainingMillis);
        boolean counted = report.series().stream().allMatch(BenchReport.Series::hasMemory);
        List<XYChart> charts =
                counted
                        ? List.of(
                                time,
                                chart(
                                        report,
                                        "Peak memory, forward and backward",
                                        "MiB",
                                        p -> Math.max(1, p.trainingPeakBytes()) / MIB))
                        : List.of(time);
        BitmapEncoder.saveBitmap(
                charts, charts.size(), 1, file.toString(), BitmapEncoder.BitmapFormat.PNG);
    }

    private static XYChart chart(
            BenchReport report, String title, String unit, ToDoubleFunction<BenchPoint> value) {
        XYChart chart =
                new XYChartBuilder()
                        .width(WIDTH)
                        .height(HEIGHT)
                        .title(title)
                        .xAxisTitle("tokens")
                        .yAxisTitle(unit)
                        .build();
        chart.getStyler().setXAxisLogarithmic(true);
        chart.getStyler().setYAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        for (BenchReport.Series series : report.series()) {
            var line = chart.addSeries(series.name(), series.lengths(), series.values(value));
            if (series.form().equals("quadratic")) {
                line.setLineStyle(SeriesLines.DASH_DASH);
            }
        }
        return chart;
    }
}
