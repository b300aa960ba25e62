package dev.tegu.cli.watch;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Base64;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import javax.imageio.ImageIO;
import org.knowm.xchart.XYChart;

/** A chart as a PNG inside of a page. */
public final class ChartPng {
    /** Pixels of the picture for each of the page's, for sharp text on dense screens. */
    private static final int SCALE = 2;

    private ChartPng() {}

    /**
     * @param made gives the chart, of the size that it has on the page
     * @param over paints what stands on the painted chart
     */
    public static String dataUri(Supplier<XYChart> made, BiConsumer<Graphics2D, XYChart> over)
            throws IOException {
        // No window is opened: the picture is drawn in memory. Said before a chart is made.
        System.setProperty("java.awt.headless", "true");
        XYChart chart = made.get();
        BufferedImage image =
                new BufferedImage(
                        chart.getWidth() * SCALE,
                        chart.getHeight() * SCALE,
                        BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        try {
            graphics.scale(SCALE, SCALE);
            chart.paint(graphics, chart.getWidth(), chart.getHeight());
            graphics.setRenderingHint(
                    RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            over.accept(graphics, chart);
        } finally {
            graphics.dispose();
        }
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        ImageIO.setUseCache(false);
        ImageIO.write(image, "png", png);
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(png.toByteArray());
    }
}
