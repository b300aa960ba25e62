package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HarnessFilesTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final HarnessFiles.Run RUN =
            new HarnessFiles.Run(
                    Map.of("device", "cpu()"),
                    2_048,
                    Instant.parse("2026-11-28T08:00:00Z"),
                    Instant.parse("2026-11-28T08:01:00.5Z"));

    @TempDir private Path dir;

    private static Sample choice() {
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("query", "What é?");
        doc.put("choices", List.of("a", "b"));
        doc.put("gold", 1);
        doc.put("weight", 0.00001);
        return new Sample(
                3,
                doc,
                "1",
                List.of(
                        new Sample.Request("Q: What é?\nA:", " a"),
                        new Sample.Request("Q: What é?\nA:", " b")),
                List.of(List.of(-1.2345678806304932, false), List.of(-0.5, true)),
                Map.of("acc", 1.0),
                Map.of("subject", "x"));
    }

    private static TaskResult task(String name, double accuracy) {
        return new TaskResult(
                name,
                1,
                List.of(new Metric("acc", accuracy, OptionalDouble.of(0.25), true)),
                4,
                1,
                2,
                Map.of("bos", true),
                new TaskResult.Timing(10, 0.5, 2, 4),
                List.of(choice()),
                List.of(),
                5,
                name.replace("group_", ""));
    }

    private static ModelResults model() {
        TaskResult group =
                new TaskResult(
                        "group",
                        2,
                        List.of(new Metric("acc", 0.75, OptionalDouble.of(0.125), true)),
                        8,
                        2,
                        4,
                        Map.of(),
                        new TaskResult.Timing(20, 1),
                        List.of(),
                        List.of(task("group_a", 1), task("group_b", 0.5)),
                        5,
                        "group");
        return new ModelResults(
                "org/my model",
                OptionalLong.empty(),
                Settings.of("perplexity"),
                List.of(group, task("alone", 1)));
    }

    /** The line and the task's hash were printed by Python, with the harness's own formulas. */
    @Test
    void aSampleIsTheHarnessesLineCharacterByCharacter() {
        assertEquals(
                "{\"doc_id\": 3, \"doc\": {\"query\": \"What é?\", \"choices\": [\"a\", \"b\"],"
                        + " \"gold\": 1, \"weight\": 1e-05}, \"target\": \"1\", \"arguments\":"
                        + " {\"gen_args_0\": {\"arg_0\": \"Q: What é?\\nA:\", \"arg_1\": \" a\"},"
                        + " \"gen_args_1\": {\"arg_0\": \"Q: What é?\\nA:\", \"arg_1\": \" b\"}},"
                        + " \"resps\": [[[\"-1.2345678806304932\", \"False\"]], [[\"-0.5\","
                        + " \"True\"]]], \"filtered_resps\": [[\"-1.2345678806304932\", \"False\"],"
                        + " [\"-0.5\", \"True\"]], \"filter\": \"none\", \"metrics\": [\"acc\"],"
                        + " \"doc_hash\":"
                        + " \"fcd4166b9f74ddbc2467b4576d668bad08b365bcc195502cf19a3345f13cca58\","
                        + " \"prompt_hash\":"
                        + " \"ead781d5d6a853b94180f11987ea2e3f76577874d124fcc2ec835720a5a34fb6\","
                        + " \"target_hash\":"
                        + " \"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\","
                        + " \"acc\": 1.0, \"tags\": {\"subject\": \"x\"}}",
                SampleJson.line(choice()));
        assertEquals(
                "c5d6888f913216aa0708253bccf91d83d13c1db099af7c3886a16cef9d2fde1b",
                SampleJson.taskHash(List.of(choice())));
    }

    @Test
    void textsAndQuotientsAreWrittenAsTheHarnessDoes() throws IOException {
        Sample written =
                new Sample(
                        0,
                        Map.of(),
                        "t",
                        List.of(new Sample.Request("c", Map.of("until", List.of("\n")))),
                        List.of("answer"),
                        Map.of(),
                        Map.of());
        Sample rolling =
                new Sample(
                        0,
                        Map.of(),
                        "t",
                        List.of(new Sample.Request("c", "")),
                        List.of(-3.5),
                        Map.of("word_perplexity", -3.5),
                        Map.of("word_perplexity", 4.0),
                        Map.of());

        JsonNode text = MAPPER.readTree(SampleJson.line(written));
        JsonNode page = MAPPER.readTree(SampleJson.line(rolling));

        assertEquals("[[\"answer\"]]", text.path("resps").toString());
        assertEquals("[\"answer\"]", text.path("filtered_resps").toString());
        assertEquals(
                "{\"arg_0\":\"c\",\"arg_1\":{\"until\":[\"\\n\"]}}",
                text.at("/arguments/gen_args_0").toString());
        assertEquals("{\"arg_0\":\"c\"}", page.at("/arguments/gen_args_0").toString());
        assertEquals("[[\"-3.5\"]]", page.path("resps").toString());
        assertEquals("[-3.5,4.0]", page.path("word_perplexity").toString());
    }

    /** What its utils.py and zeno_visualize.py do with names and keys. */
    @Test
    void theHarnessesReadersFindTheirWay() throws IOException {
        Path file = HarnessFiles.write(dir, model(), RUN);

        Path folder = dir.resolve("org__my model");
        assertEquals(folder, file.getParent());
        List<String> names = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            files.forEach(path -> names.add(path.getFileName().toString()));
        }
        assertEquals(4, names.size(), names.toString());
        JsonNode json = MAPPER.readTree(file.toFile());
        String time = "\\d{4}-\\d\\d-\\d\\dT\\d\\d-\\d\\d-\\d\\d(\\.\\d{6})?";
        assertTrue(file.getFileName().toString().matches("results_" + time + "\\.json"), "" + file);
        for (String name : names) {
            if (!name.startsWith("samples_")) {
                continue;
            }
            assertTrue(name.matches("samples_.*_" + time + "\\.jsonl"), name);
            String task = name.substring(name.indexOf('_') + 1, name.lastIndexOf('_'));
            JsonNode config = json.path("configs").path(task);
            assertEquals("multiple_choice", config.path("output_type").asText());
            JsonNode line = MAPPER.readTree(Files.readString(folder.resolve(name)));
            for (JsonNode metric : config.path("metric_list")) {
                assertTrue(line.has(metric.path("metric").asText()), name);
            }
            assertTrue(line.at("/arguments/gen_args_0/arg_0").isTextual(), name);
            assertTrue(json.path("task_hashes").has(task), name);
        }
        assertTrue(json.at("/config/model_args").isTextual());
        assertEquals("cpu()", json.at("/config/device").asText());
        assertEquals("org__my model", json.path("model_name_sanitized").asText());
    }

    @Test
    void groupsStandWithTheirSubtasks() throws IOException {
        JsonNode json = MAPPER.readTree(HarnessFiles.write(dir, model(), RUN).toFile());

        List<String> tasks = new ArrayList<>();
        json.path("results").fieldNames().forEachRemaining(tasks::add);
        assertEquals(List.of("group", "group_a", "group_b", "alone"), tasks);
        assertEquals(" - a", json.at("/results/group_a/alias").asText());
        assertEquals(
                "{\"group\":{\"alias\":\"group\",\"acc,none\":0.75,\"acc_stderr,none\":0.125}}",
                json.path("groups").toString());
        assertEquals(
                "{\"group\":[\"group_a\",\"group_b\"],\"group_a\":[],\"group_b\":[],\"alone\":[]}",
                json.path("group_subtasks").toString());
        assertTrue(!json.path("configs").has("group") && !json.path("n-samples").has("group"));
        assertEquals(5, json.at("/n-shot/group").asInt());
        assertEquals(2, json.at("/versions/group").asInt());
        assertEquals(1.0, json.at("/timings/group_a/samples_per_second").asDouble());
    }

    @Test
    void onlyTheEndDiffersFromRunToRun() throws IOException {
        HarnessFiles.Run later =
                new HarnessFiles.Run(
                        RUN.facts(), 2_048, RUN.began().plusSeconds(7), RUN.ended().plusSeconds(9));
        ObjectNode first =
                (ObjectNode) MAPPER.readTree(HarnessFiles.write(dir, model(), RUN).toFile());
        ObjectNode second =
                (ObjectNode) MAPPER.readTree(HarnessFiles.write(dir, model(), later).toFile());

        List<String> end = new ArrayList<>();
        first.fieldNames().forEachRemaining(end::add);
        end = end.subList(end.indexOf("timings"), end.size());
        assertEquals(
                List.of(
                        "timings",
                        "date",
                        "start_time",
                        "end_time",
                        "total_evaluation_time_seconds"),
                end);
        first.remove(end);
        second.remove(end);
        assertEquals(first, second);
        assertEquals("max_length", lastField(first));
    }

    private static String lastField(ObjectNode json) {
        List<String> fields = new ArrayList<>();
        json.fieldNames().forEachRemaining(fields::add);
        return fields.get(fields.size() - 1);
    }

    @Test
    void timesAreWrittenAsPythonDoes() {
        LocalDateTime time = LocalDateTime.of(2025, 12, 1, 2, 3, 4, 56_789_012);

        assertEquals("2025-12-01T02-03-04.056789", HarnessNames.timestamp(time));
        assertEquals("2025-12-01T02-03-04", HarnessNames.timestamp(time.withNano(999)));
        assertEquals("a__b__c", HarnessNames.model("a/b:\"<c"));
    }

    @Test
    void theTableIsTheHarnessesWithIntervals() {
        assertEquals(
                """
                |Tasks|Version|Filter|n-shot|Metric|   |Value |   |Stderr|  95% interval  |
                |-----|------:|------|-----:|------|---|-----:|---|-----:|----------------|
                |group|      2|none  |     5|acc   |↑  |0.7500|±  |0.1250|0.5050 to 0.9950|
                | - a |      1|none  |     5|acc   |↑  |1.0000|±  |0.2500|0.2065 to 1.0000|
                | - b |      1|none  |     5|acc   |↑  |0.5000|±  |0.2500|0.0546 to 0.9454|
                |alone|      1|none  |     5|acc   |↑  |1.0000|±  |0.2500|0.2065 to 1.0000|
                """,
                HarnessTable.of(model().results()));
    }

    @Test
    void aDocumentComparesModelsItemByItem() {
        ModelResults first = model();
        ModelResults second =
                new ModelResults("other", OptionalLong.empty(), first.settings(), first.results());

        String text = new EvalReport(List.of(first, second)).document();

        assertTrue(text.contains("## Item by item"), text);
        assertTrue(
                text.contains(
                        "| group | acc             | other |     2 |           +0.0000 ± 0.0000 |"
                                + " 1.0000 |"),
                text);
        assertTrue(text.contains("## other\n\n|Tasks|Version|"), text);
    }
}
