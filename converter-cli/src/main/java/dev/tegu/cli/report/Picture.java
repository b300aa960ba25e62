package dev.tegu.cli.report;

import dev.tegu.cli.watch.ChartPng;
import dev.tegu.cli.watch.Html;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.io.IOException;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.XYStyler;

/**
 * A chart in a page: drawn twice, for wide and for narrow screens, each as a PNG inside of the
 * page.
 */
abstract class Picture {
    /** Pixels of the page that a picture is wide. */
    static final int WIDE = 1000;

    static final int NARROW = 360;

    static final Color TEXT = new Color(0x222222);
    private static final Color GRID = new Color(0xe2e5e9);

    /** The chart, without a legend, which the page has. */
    abstract XYChart chart(int width);

    /** The picture in words, with its numbers. */
    abstract String alternative();

    /** What stands on the painted chart. */
    void paintOver(Graphics2D graphics, XYChart chart) {}

    /** The element {@code figure}. */
    final String figure() throws IOException {
        return "<figure><picture>\n<source media=\"(max-width: 640px)\" srcset=\""
                + dataUri(NARROW)
                + "\">\n<img alt=\""
                + Html.escaped(alternative())
                + "\" src=\""
                + dataUri(WIDE)
                + "\">\n</picture></figure>\n";
    }

    private String dataUri(int width) throws IOException {
        return ChartPng.dataUri(() -> chart(width), this::paintOver);
    }

    /** An empty chart in the page's style. */
    static XYChart empty(int width, int height, String title, String x, String y) {
        XYChart chart =
                new XYChartBuilder()
                        .width(width)
                        .height(height)
                        .title(title)
                        .xAxisTitle(x)
                        .yAxisTitle(y)
                        .build();
        XYStyler style = chart.getStyler();
        style.setLegendVisible(false);
        style.setChartBackgroundColor(Color.WHITE);
        style.setPlotBackgroundColor(Color.WHITE);
        style.setPlotGridLinesColor(GRID);
        style.setPlotBorderVisible(false);
        style.setChartFontColor(TEXT);
        style.setAxisTickLabelsColor(TEXT);
        style.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
        style.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
        style.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
        style.setErrorBarsColorSeriesColor(true);
        style.setMarkerSize(8);
        return chart;
    }
}
