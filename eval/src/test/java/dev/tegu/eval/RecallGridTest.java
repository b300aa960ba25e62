package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class RecallGridTest {
    private static Sample sample(double acc, Map<String, Object> tags) {
        return new Sample(
                0,
                Map.of(),
                "",
                List.of(new Sample.Request("a", "b")),
                List.of("b"),
                Map.of("acc", acc),
                tags);
    }

    private static final List<Sample> SAMPLES =
            List.of(
                    sample(1, Map.of("length", 512, "depth", 0.5)),
                    sample(0, Map.of("length", 512, "depth", 0.5)),
                    sample(1, Map.of("length", 512, "depth", 0.0)),
                    sample(0.25, Map.of("length", 64, "depth", 0.5)),
                    sample(0.75, Map.of("length", 64, "depth", 0.0)));

    @Test
    void cellsAreMeansOfTheirItems() {
        RecallGrid grid = RecallGrid.of(SAMPLES).orElseThrow();

        assertEquals(List.of(64, 512), grid.lengths());
        assertEquals(List.of("0%", "50%"), grid.columns());
        assertEquals(new RecallGrid.Cell(0.5, 2), grid.cells().get(1).get(1));
        assertEquals(
                """
                length \\ depth    0%   50%
                --------------  ----  ----
                64              0.75  0.25
                512             1.00  0.50
                """,
                grid.text());
        assertEquals(
                "{\"metric\":\"acc\",\"columns\":\"depth\",\"lengths\":[64,512],"
                        + "\"titles\":[\"0%\",\"50%\"],\"cells\":[[{\"value\":0.75,\"n\":1},{\"value\":0.25,\"n\":1}],"
                        + "[{\"value\":1.0,\"n\":1},{\"value\":0.5,\"n\":2}]]}",
                grid.json().toString());
    }

    @Test
    void manyDepthsArePutTogetherInFifths() {
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i <= 20; i++) {
            samples.add(sample(i % 2, Map.of("length", 8, "depth", i / 20.0)));
        }

        RecallGrid grid = RecallGrid.of(samples).orElseThrow();

        assertEquals(List.of("0-20%", "20-40%", "40-60%", "60-80%", "80-100%"), grid.columns());
        assertEquals(
                List.of(4, 4, 4, 4, 5),
                grid.cells().get(0).stream().map(RecallGrid.Cell::n).toList());
    }

    @Test
    void depthsThatNotEveryLengthHasArePutTogetherToo() {
        RecallGrid grid =
                RecallGrid.of(
                                List.of(
                                        sample(1, Map.of("length", 8, "depth", 0.1)),
                                        sample(0, Map.of("length", 16, "depth", 1.0))))
                        .orElseThrow();

        assertEquals(5, grid.columns().size());
        assertEquals(new RecallGrid.Cell(0, 1), grid.cells().get(1).get(4));
        assertEquals(0, grid.cells().get(0).get(4).n());
        assertTrue(grid.json().get("cells").get(0).get(4).isNull());
        assertTrue(grid.text().lines().anyMatch(l -> l.matches("8 +1.00( +-){4}")), grid.text());
    }

    @Test
    void columnsArePairsOrOneForAll() {
        RecallGrid pairs =
                RecallGrid.of(
                                List.of(
                                        sample(1, Map.of("length", 8, "pairs", 16)),
                                        sample(0, Map.of("length", 8, "pairs", 4))))
                        .orElseThrow();
        RecallGrid all =
                RecallGrid.of(
                                List.of(
                                        sample(1, Map.of("length", 8)),
                                        sample(0, Map.of("length", 8, "pairs", 4))))
                        .orElseThrow();

        assertEquals(List.of("4", "16"), pairs.columns());
        assertEquals(List.of("all"), all.columns());
        assertEquals(0.5, all.cells().get(0).get(0).value());
        assertFalse(RecallGrid.of(List.of(sample(1, Map.of("depth", 0.5)))).isPresent());
        assertFalse(RecallGrid.of(List.of()).isPresent());
    }

    @Test
    void resultsHaveTheGrids() {
        TaskResult result =
                new TaskResult(
                                "passkey",
                                1,
                                List.of(new Metric("acc", 0.5, OptionalDouble.empty(), true)),
                                4,
                                4,
                                4,
                                Map.of(),
                                new TaskResult.Timing(1, 1))
                        .withSamples(SAMPLES);
        EvalReport report =
                new EvalReport(
                        List.of(
                                new ModelResults(
                                        "m",
                                        OptionalLong.empty(),
                                        Settings.of("passkey"),
                                        List.of(result))));

        assertEquals(
                RecallGrid.of(SAMPLES).orElseThrow().json(),
                report.json("m").get("grids").get("passkey"));
        assertTrue(
                report.text()
                        .endsWith(
                                "\npasskey, m: acc by length\n"
                                        + RecallGrid.of(SAMPLES).orElseThrow().text()));
    }
}
