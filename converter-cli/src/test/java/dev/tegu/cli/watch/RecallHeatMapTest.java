package dev.tegu.cli.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.eval.RecallGrid;
import dev.tegu.eval.RecallGrid.Cell;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class RecallHeatMapTest {
    @Test
    void everyCellHasItsColourAndItsValue() throws Exception {
        RecallGrid grid =
                new RecallGrid(
                        "acc",
                        "depth",
                        List.of(512, 1024),
                        List.of("0%", "50%"),
                        List.of(
                                List.of(new Cell(1, 4), new Cell(0.5, 4)),
                                List.of(new Cell(0, 2), new Cell(Double.NaN, 0))));

        String svg = RecallHeatMap.svg("pass<key>", grid, 400, "map");

        NodeList cells = elements(svg, "rect");
        List<String> colours = new ArrayList<>();
        for (int i = 0; i < cells.getLength(); i++) {
            colours.add(((Element) cells.item(i)).getAttribute("fill"));
        }
        assertEquals(List.of("#fdf3d0", "#e07b3f", "#3b0f45", "#d5d8dc"), colours);
        List<String> words = new ArrayList<>();
        NodeList texts = elements(svg, "text");
        for (int i = 0; i < texts.getLength(); i++) {
            words.add(texts.item(i).getTextContent());
        }
        assertEquals(
                List.of(
                        "pass<key>",
                        "length \\ depth",
                        "0%",
                        "50%",
                        "512",
                        "1.00",
                        "0.50",
                        "1024",
                        "0.00"),
                words);
        assertTrue(svg.contains("0.5000 of 4"), svg);
    }

    private static NodeList elements(String svg, String name) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(svg)))
                .getElementsByTagName(name);
    }
}
