package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PeftConfigTest {
    private static ObjectNode json(String text) throws Exception {
        return (ObjectNode) new ObjectMapper().readTree(text);
    }

    private static ObjectNode written(LoraSettings settings, String baseModel) {
        return new PeftConfig(settings, Map.of(), Map.of(), false).write(baseModel);
    }

    @Test
    void keysAreWhatPeftWritesInItsOrder() {
        LoraSettings settings = new LoraSettings(4, 8, List.of("v_proj", "q_proj"));

        ObjectNode json = written(settings, "some/model");

        assertEquals(
                "{\"alpha_pattern\":{},\"auto_mapping\":null,"
                        + "\"base_model_name_or_path\":\"some/model\",\"bias\":\"none\","
                        + "\"fan_in_fan_out\":false,\"inference_mode\":true,"
                        + "\"init_lora_weights\":true,\"layers_pattern\":null,"
                        + "\"layers_to_transform\":null,\"lora_alpha\":8,\"lora_dropout\":0.0,"
                        + "\"modules_to_save\":null,\"peft_type\":\"LORA\",\"r\":4,"
                        + "\"rank_pattern\":{},\"revision\":null,"
                        + "\"target_modules\":[\"v_proj\",\"q_proj\"],"
                        + "\"task_type\":\"CAUSAL_LM\",\"use_dora\":false,\"use_rslora\":false}",
                json.toString());
        List<String> keys = new ArrayList<>();
        json.fieldNames().forEachRemaining(keys::add);
        assertEquals(keys.stream().sorted().toList(), keys);
        assertEquals(settings, PeftConfig.read(json, "x").settings());
    }

    @Test
    void fractionsOfAlphaSurvive() {
        LoraSettings settings = new LoraSettings(4, 0.5, List.of("q_proj"));

        assertEquals(settings, PeftConfig.read(written(settings, "m"), "x").settings());
    }

    @Test
    void anOlderFileWithFewKeysIsRead() throws Exception {
        ObjectNode old =
                json(
                        """
                        {"base_model_name_or_path": "a/b", "bias": "none", "lora_alpha": 64.0,
                         "lora_dropout": 0.1, "modules_to_save": null, "enable_lora": null,
                         "peft_type": "LORA", "r": 32, "target_modules": ["q_proj", "up_proj"]}
                        """);

        assertEquals(
                new LoraSettings(32, 64, List.of("q_proj", "up_proj")),
                PeftConfig.read(old, "x").settings());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "use_rslora | true | `use_rslora` is true, only `false` works",
                "use_dora | true | `use_dora` is true",
                "bias | \"all\" | `bias` is \"all\", only `none` works",
                "peft_type | \"IA3\" | `peft_type` is \"IA3\"",
                "rank_pattern | {\"q_proj\": 4.5} | `rank_pattern` of `q_proj` is 4.5, not a",
                "rank_pattern | {\"q_proj\": 0} | `rank_pattern` of `q_proj` is 0, not a whole",
                "rank_pattern | {\"q_.*\": 4} | `rank_pattern` has the name `q_.*`, only plain",
                "rank_pattern | 4 | `rank_pattern` is 4, not a map of names",
                "alpha_pattern | {\"q_proj\": -4} | `alpha_pattern` of `q_proj` is -4, not a",
                "modules_to_save | [\"lm_head\"] | `modules_to_save` is [\"lm_head\"]",
                "layers_to_transform | [0.5] | `layers_to_transform` holds 0.5, no layer's number",
                "layers_to_transform | \"0\" | `layers_to_transform` holds \"0\", no layer's",
                "layers_to_transform | [-1] | `layers_to_transform`: must be numbers of layers",
                "layers_to_transform | [1, 1] | `layers_to_transform`: must be numbers of layers",
                "r | 8.5 | `r` is not a whole number",
                "r | 0 | `r`: must be at least 1",
                "lora_alpha | null | `lora_alpha` is not a number",
                "target_modules | \"all-linear\" | `target_modules` is not a list",
                "target_modules | [\"c_fancy\"] | `c_fancy` is no linear map of a layer",
            })
    void whatWouldBeComputedOtherwiseIsRefused(String key, String value, String message)
            throws Exception {
        ObjectNode json = written(new LoraSettings(4, 8, List.of("q_proj")), "m");
        json.set(key, new ObjectMapper().readTree(value));

        CheckpointException e =
                assertThrows(CheckpointException.class, () -> PeftConfig.read(json, "a.json"));

        assertTrue(e.getMessage().startsWith("a.json: "), e.getMessage());
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"null | ", "[] | ", "1 | 1", "[2, 0] | 2 0", "[3] | 3"})
    void layersAreReadAsPeftWritesThem(String value, String layers) throws Exception {
        ObjectNode json = written(new LoraSettings(4, 8, List.of("q_proj")), "m");
        json.set("layers_to_transform", new ObjectMapper().readTree(value));
        List<Integer> expected = new ArrayList<>();
        if (layers != null) {
            for (String layer : layers.split(" ")) {
                expected.add(Integer.valueOf(layer));
            }
        }

        LoraSettings settings = PeftConfig.read(json, "a.json").settings();

        assertEquals(expected, settings.layersToTransform());
        assertEquals(
                expected.isEmpty() ? "null" : expected.toString().replace(" ", ""),
                written(settings, "m").get("layers_to_transform").toString());
        assertEquals(settings, PeftConfig.read(written(settings, "m"), "x").settings());
    }

    @Test
    void faultsAreNamedTogether() throws Exception {
        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> PeftConfig.read(json("{\"use_dora\": true, \"r\": \"8\"}"), "a"));

        assertEquals(
                "a: not an adapter that Tegu can apply: `lora_alpha` is not a number; `r` is not a"
                        + " whole number; `target_modules` is not a list of names; `use_dora` is"
                        + " true, only `false` works",
                e.getMessage());
    }
}
