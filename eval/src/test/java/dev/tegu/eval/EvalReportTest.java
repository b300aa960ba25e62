package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class EvalReportTest {
    private static final EvalSettings SETTINGS =
            Settings.limited(Settings.of("perplexity", "recall"), 40);

    private static TaskResult perplexity(double value) {
        return new TaskResult(
                "perplexity",
                1,
                List.of(
                        new Metric("token_perplexity", value, OptionalDouble.of(0.25), false),
                        new Metric("token_nll", Math.log(value), OptionalDouble.of(0.0625), false)),
                30,
                3,
                1_000,
                Map.of("context", 2_048),
                new TaskResult.Timing(1_003, 2));
    }

    private static TaskResult recall(double value) {
        return new TaskResult(
                "recall",
                1,
                List.of(new Metric("acc", value, OptionalDouble.empty(), true)),
                50,
                1,
                4,
                Map.of("records", 16),
                new TaskResult.Timing(120, 0.5));
    }

    private static EvalReport report() {
        return new EvalReport(
                List.of(
                        new ModelResults(
                                "teacher",
                                OptionalLong.of(6_291_456),
                                SETTINGS,
                                List.of(perplexity(8), recall(1))),
                        new ModelResults(
                                "student|x",
                                OptionalLong.empty(),
                                SETTINGS,
                                List.of(perplexity(Double.POSITIVE_INFINITY)))));
    }

    @Test
    void jsonHasTheHarnessShape() throws JsonProcessingException {
        JsonNode json = new ObjectMapper().readTree(report().json("teacher").toString());

        assertEquals(
                """
                {"alias":"perplexity","token_perplexity,none":8.0,\
                "token_perplexity_stderr,none":0.25,"token_nll,none":2.0794415416798357,\
                "token_nll_stderr,none":0.0625}""",
                json.at("/results/perplexity").toString());
        assertEquals(
                """
                {"alias":"recall","acc,none":1.0,"acc_stderr,none":"N/A"}""",
                json.at("/results/recall").toString());
        assertEquals(2_048, json.at("/configs/perplexity/context").asInt());
        assertEquals(1, json.at("/versions/recall").asInt());
        assertEquals(0, json.at("/n-shot/recall").asInt(-1));
        assertEquals(true, json.at("/higher_is_better/recall/acc").asBoolean());
        assertEquals(30, json.at("/n-samples/perplexity/original").asInt());
        assertEquals(3, json.at("/n-samples/perplexity/effective").asInt());
        assertEquals(40, json.at("/config/limit").asInt());
        assertEquals("teacher", json.at("/model_name").asText());
        assertEquals(6_291_456, json.at("/state_bytes_per_sequence").asLong());
        assertEquals(501.5, json.at("/timings/perplexity/tokens_per_second").asDouble());
    }

    @Test
    void timingsAreLastSoThatTheRestCanBeCompared() {
        List<String> fields = new ArrayList<>();
        report().json("teacher").fieldNames().forEachRemaining(fields::add);

        assertEquals("timings", fields.get(fields.size() - 1));
    }

    @Test
    void infiniteNumberIsAStringAndUnknownBytesAreAbsent() {
        JsonNode json = report().json("student|x");

        assertEquals(
                "\"Infinity\"", json.at("/results/perplexity/token_perplexity,none").toString());
        assertFalse(json.has("state_bytes_per_sequence"));
    }

    @Test
    void textStandsSideBySide() {
        assertEquals(
                """
                task        metric                        teacher          student|x
                ----------  --------------------  ---------------  -----------------
                state       bytes per sequence ↓        6,291,456                  -
                perplexity  token_perplexity ↓    8.0000 ± 0.2500  Infinity ± 0.2500
                perplexity  token_nll ↓           2.0794 ± 0.0625  Infinity ± 0.0625
                perplexity  samples                             3                  3
                recall      acc ↑                          1.0000                  -
                recall      samples                             1                  -
                """,
                report().text());
    }

    @Test
    void markdownEscapesBarsAndAlignsNumbersRight() {
        List<String> lines = report().markdown().lines().toList();

        assertEquals(
                "| task       | metric               |         teacher |        student\\|x |",
                lines.get(0));
        assertEquals(
                "| ---------- | -------------------- | --------------: | ----------------: |",
                lines.get(1));
        assertEquals(
                "| state      | bytes per sequence ↓ |       6,291,456 |                 - |",
                lines.get(2));
        assertEquals(8, lines.size());
    }

    @Test
    void modelsNeedNamesOfTheirOwn() {
        ModelResults model = report().models().get(0);

        assertThrows(IllegalArgumentException.class, () -> new EvalReport(List.of(model, model)));
        assertThrows(IllegalArgumentException.class, () -> report().json("absent"));
    }
}
