package dev.tegu.cli.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.cli.InputException;
import java.awt.Color;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RunReportTest {
    @TempDir Path dir;

    @BeforeEach
    void keepSettings() throws IOException {
        Files.writeString(dir.resolve("config.effective.yaml"), "output: \"<a & b>\"  # x:1:1\n");
    }

    @Test
    void aPageShowsEachStageWithItsLayersAndValues() throws IOException {
        String page =
                page(
                        step("attention_transfer", 1, "2.5", "0.5", "0.25"),
                        step("attention_transfer", 2, "1.5", "0.25", "0.001"),
                        "{\"stage\":\"attention_transfer\",\"step\":2,\"validation_loss\":1.75}",
                        "{\"stage\":\"lora_finetune\",\"step\":1,\"loss\":0.125,\"tokens\":64}");

        assertTrue(page.contains("<h2>attention_transfer</h2>"), page);
        assertTrue(page.contains("<h2>lora_finetune</h2>"), page);
        assertTrue(
                page.contains(
                        "alt=\"Loss, loss: training 2.500 (step 1) to 1.500 (step 2); validation"
                                + " 1.750 (step 2) to 1.750 (step 2)\""),
                page);
        // errors from 0.5 to 0.001 ask for a logarithmic axis, losses from 2.5 to 1.5 for none
        assertTrue(page.contains("alt=\"Relative error of each layer, relative error, log"), page);
        assertTrue(page.contains("Relative error of 2 layers over the steps, from 0.001000"), page);
        assertTrue(
                page.contains("<th scope=\"row\">layers.1</th><td>1.500</td><td>0.001000</td>"),
                page);
        assertTrue(page.contains("<td>1.750</td>"), page);
    }

    @Test
    void picturesArePngsThatAreNotBlank() throws IOException {
        String page = page(step("a", 1, "2", "0.5", "0.25"), step("a", 2, "1", "0.5", "0.25"));

        String[] parts = page.split("data:image/png;base64,");
        assertEquals(1 + 2 * 2, parts.length, "a wide and a narrow picture of two charts");
        for (int i = 1; i < parts.length; i++) {
            byte[] png = Base64.getDecoder().decode(parts[i].substring(0, parts[i].indexOf('"')));
            var image = ImageIO.read(new ByteArrayInputStream(png));
            long dark = 0;
            for (int y = 0; y < image.getHeight(); y++) {
                for (int x = 0; x < image.getWidth(); x++) {
                    Color colour = new Color(image.getRGB(x, y));
                    dark += colour.getRed() < 128 ? 1 : 0;
                }
            }
            assertEquals(0xffffffff, image.getRGB(0, 0), "a white ground");
            assertTrue(dark > 500, dark + " dark pixels");
        }
    }

    @Test
    void nothingOfARunBecomesMarkup() throws Exception {
        String page =
                page(
                        "{\"stage\":\"<script>\",\"step\":1,\"loss\":1,\"tokens\":1,\"parts\":"
                                + "{\"\\\"><b>\":{\"loss\":1,\"relative\":0.5}}}");

        assertFalse(page.contains("<script") || page.contains("<b>"), page);
        assertTrue(page.contains("&lt;script&gt;"), page);
        assertTrue(page.contains("&quot;&gt;&lt;b&gt;"), page);
        assertTrue(page.contains("output: &quot;&lt;a &amp; b&gt;&quot;"), page);
        assertFalse(page.contains("http"), "a page that asks for other files");
        String map = page.substring(page.indexOf("<svg"), page.indexOf("</svg>") + 6);
        DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(map.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void lossesThatAreNotFiniteAreLeftOutAndSaid() throws IOException {
        String page =
                page(
                        step("a", 1, "1", "0.5", "0.25"),
                        step("a", 2, "\"NaN\"", "\"Infinity\"", "0"));

        assertTrue(
                page.contains("<p>Losses that are not finite, left out of the pictures: 1.</p>"),
                page);
        assertTrue(page.contains("training 1.000 (step 1) to 1.000 (step 1)"), page);
        assertTrue(page.contains("fill=\"#d5d8dc\""), "grey cells of what has no logarithm");
        assertTrue(page.contains("<td>∞</td>"), page);
    }

    @Test
    void aRunWithoutStepsAndALineUnderWayMakeAPage() throws IOException {
        Path metrics = dir.resolve("metrics.jsonl");
        Files.writeString(metrics, "{\"stage\":\"a\",\"st");

        RunReport.write(dir, dir.resolve("report.html"));

        String page = Files.readString(dir.resolve("report.html"));
        assertTrue(page.contains("No step has been reported yet."), page);
    }

    @Test
    void aForeignLineIsNamed() throws IOException {
        Files.writeString(dir.resolve("metrics.jsonl"), "{\"stage\":\"a\",\"step\":1}\nother\n");

        InputException e =
                assertThrows(
                        InputException.class,
                        () -> RunReport.write(dir, dir.resolve("report.html")));

        assertTrue(e.getMessage().contains("metrics.jsonl:2: not a line of metrics"), e.toString());
    }

    @Test
    void aMapOfManyStepsShowsSomeAndTheLast() {
        List<RunMetrics.Point> points = new ArrayList<>();
        for (int step = 1; step <= 1000; step++) {
            var part = new RunMetrics.Part(1, 1.0 / step);
            points.add(new RunMetrics.Point(step, step, 1, Map.of("layers.0", part)));
        }

        String svg = LayerHeatMap.of(List.of("layers.0"), points).svg(360, "narrow");

        assertTrue(svg.contains(">step 1000</text>"), svg);
        assertTrue(svg.split("<rect").length < 120, svg);
    }

    @Test
    void coloursGoByTheLogarithm() {
        ColourScale scale = new ColourScale(0.001, 10);

        assertEquals(0.5, scale.place(0.1), 1e-12);
        assertEquals("#fdf3d0", scale.colour(0.001));
        assertEquals("#3b0f45", scale.colour(99));
        assertEquals(List.of(0.001, 0.01, 0.1, 1.0, 10.0), rounded(scale.marks()));
        assertEquals(List.of(0.2, 0.5), rounded(new ColourScale(0.15, 0.6).marks()));
    }

    private static List<Double> rounded(List<Double> marks) {
        return marks.stream()
                .map(m -> Double.valueOf(String.format(Locale.ROOT, "%.6g", m)))
                .toList();
    }

    private String page(String... lines) throws IOException {
        Files.writeString(dir.resolve("metrics.jsonl"), String.join("\n", lines) + "\n");
        RunReport.write(dir, dir.resolve("report.html"));
        return Files.readString(dir.resolve("report.html"));
    }

    private static String step(String stage, int step, String loss, String first, String second) {
        return String.format(
                Locale.ROOT,
                "{\"stage\":\"%s\",\"step\":%d,\"loss\":%s,\"tokens\":64,\"parts\":{"
                        + "\"layers.0\":{\"loss\":%s,\"relative\":%s},"
                        + "\"layers.1\":{\"loss\":%s,\"relative\":%s}}}",
                stage,
                step,
                loss,
                loss,
                first,
                loss,
                second);
    }
}
