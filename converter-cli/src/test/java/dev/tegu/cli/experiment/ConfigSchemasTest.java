package dev.tegu.cli.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The schemas for editors, held against a validator and the binder's own files. */
final class ConfigSchemasTest {
    private static final String EXPERIMENT =
            """
            teacher: a
            method: lolcats
            output: b
            data: {train: [a.txt]}
            attention_transfer: {tokens: 500_000, learning_rate: 1.0e-2}
            eval: {tasks: [recall], limit: 5}
            """;

    static List<Path> configs() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("..", "configs"))) {
            return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList();
        }
    }

    @Test
    void descriptionsAreThoseOfTheSources() throws IOException {
        ConfigNode expected = ConfigNode.of(KeyDescriptions.ofTheSources(), "sources");
        Path made =
                Files.writeString(Path.of("target", ConfigSchemas.DESCRIPTIONS), expected.toYaml());
        Path kept =
                Path.of("src/main/resources/dev/tegu/cli/experiment", ConfigSchemas.DESCRIPTIONS);

        assertEquals(
                expected.toYaml(),
                Files.readString(kept),
                "the documentation of a key has changed: copy " + made + " over " + kept);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void everyConfigurationIsRight(Path file) throws IOException {
        ConfigSchemas kind =
                Files.readString(file).contains("\npretrain:")
                        ? ConfigSchemas.PRETRAIN
                        : ConfigSchemas.EXPERIMENT;

        assertEquals(List.of(), errors(kind, ConfigNode.read(file)));
    }

    @Test
    void theExperimentOfTheReadmeIsRight() throws IOException {
        String readme = Files.readString(Path.of("..", "README.md"));
        String yaml = readme.substring(readme.indexOf("```yaml") + 7);

        String experiment = yaml.substring(0, yaml.indexOf("```"));

        assertTrue(experiment.contains("500_000"), experiment);
        assertEquals(
                List.of(),
                errors(ConfigSchemas.EXPERIMENT, ConfigNode.parse(experiment, "readme")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void whatARunKeepsOfItsSettingsIsRightToo(Path file) throws IOException {
        if (!Files.readString(file).contains("\npretrain:")) {
            String yaml = ExperimentFile.load(file, Map.of()).effectiveYaml();

            assertEquals(
                    List.of(),
                    errors(ConfigSchemas.EXPERIMENT, ConfigNode.parse(yaml, "effective")));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "method: {feature_map: t2r, keep_softmax: [0, 3], window: {size: 8}}",
                "method: {feature_map: {kind: t2r}, keep_softmax: 0.5}",
                "method: own/file.yaml",
                "method_overrides: {gate: none}",
                "eval: {tasks: [quiz, my/task.yaml], add_bos: true, scoring: generate}",
                "lora_finetune:",
                "lora_finetune: {tokens: 1, learning_rates: {gate: 1_0.5e-2}}",
                "export: {dtype: bfloat16}"
            })
    void whatTheBinderTakesIsRight(String line) {
        assertEquals(List.of(), errors(ConfigSchemas.EXPERIMENT, experiment(line)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sede: 0",
                "seed: first",
                "seed: 1.5",
                "output: 7",
                "data: {train: a.txt}",
                "data: {train: [a.txt], format: csv}",
                "data: {train: [a.txt], sequence_lenght: 9}",
                "attention_transfer: {batch_size: 2}",
                "attention_transfer: {tokens: many}",
                "attention_transfer: {tokens: 5, keep_best: maybe}",
                "attention_transfer: {tokens: 5, r: 8}",
                "method: {window: {sise: 8}}",
                "method: {feature_map: hedgehogs}",
                "method_overrides: lolcats",
                "export: {format: onnx}",
                "controls: untrained"
            })
    void whatTheBinderRefusesIsMarked(String line) {
        assertFalse(errors(ConfigSchemas.EXPERIMENT, experiment(line)).isEmpty());
    }

    @Test
    void aMissingKeyIsMarked() {
        ConfigNode without = ConfigNode.parse(EXPERIMENT.replace("teacher: a\n", ""), "test");

        assertTrue(
                errors(ConfigSchemas.EXPERIMENT, without).toString().contains("teacher"),
                "no word of the teacher");
    }

    @Test
    void keysHaveDescriptionsAndDefaultsOfTheirOwnBlock() {
        JsonNode schema = new JsonMapper().valueToTree(ConfigSchemas.EXPERIMENT.schema());
        JsonNode transfer = schema.at("/$defs/AttentionTransferSettings/properties");
        JsonNode finetune = schema.at("/$defs/LoraFinetuneSettings/properties");

        assertEquals(0.01, transfer.at("/learning_rate/default").asDouble());
        assertEquals(1.0e-4, finetune.at("/learning_rate/default").asDouble());
        assertTrue(
                transfer.at("/tokens/description").asText().startsWith("tokens to read"),
                transfer.toString());
    }

    /** The small experiment with one block in the place of its own, or beside the others. */
    private static ConfigNode experiment(String line) {
        ConfigNode base = ConfigNode.parse(EXPERIMENT, "test");
        Map<String, Object> values = new LinkedHashMap<>();
        base.entries().forEach((key, entry) -> values.put(key, entry.value()));
        ConfigNode.parse(line, "test")
                .entries()
                .forEach((key, entry) -> values.put(key, entry.value()));
        return ConfigNode.of(values, "test");
    }

    /** Errors of a text as an editor reads it that knows underscores in numbers, or does not. */
    private static List<Error> errors(ConfigSchemas kind, ConfigNode text) {
        JsonMapper mapper = new JsonMapper();
        Schema schema =
                SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                        .getSchema(mapper.<JsonNode>valueToTree(kind.schema()));
        List<Error> errors = new ArrayList<>(schema.validate(mapper.valueToTree(text.toPlain())));
        errors.addAll(schema.validate(mapper.valueToTree(plain(text))));
        return errors;
    }

    /** As {@link ConfigNode#toPlain}, but numbers with underscores are text: YAML 1.2. */
    private static Object plain(ConfigNode node) {
        return switch (node.kind()) {
            case MAPPING -> {
                Map<String, Object> map = new LinkedHashMap<>();
                node.entries().forEach((key, entry) -> map.put(key, plain(entry.value())));
                yield map;
            }
            case LIST -> node.items().stream().map(ConfigSchemasTest::plain).toList();
            default -> node.text().contains("_") ? node.text() : node.toPlain();
        };
    }
}
