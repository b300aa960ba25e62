package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LoraSettingsTest {
    private static LoraSettings bind(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test.yaml"), LoraSettings.class);
    }

    @Test
    void defaultsAreRankEightOnTheAttention() {
        LoraSettings settings = bind("{}");

        assertEquals(
                new LoraSettings(8, 16, List.of("q_proj", "k_proj", "v_proj", "o_proj")), settings);
        assertEquals(2.0, settings.scale());
        assertEquals(0.5, bind("{r: 16, lora_alpha: 8}").scale());
    }

    @Test
    void everyLinearMapOfALayerIsAllowed() {
        String all = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, fc1, fc2";

        assertEquals(9, bind("{target_modules: [" + all + "]}").targetModules().size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{target_modules: [q_prj]} | `q_prj` is no linear map of a layer (did you mean"
                        + " `q_proj`?); known: q_proj, k_proj,",
                "{target_modules: []} | target_modules: must be one or more names",
                "{target_modules: [q_proj, q_proj]} | none twice: [q_proj, q_proj]",
                "{r: 0} | r: must be at least 1, found 0",
                "{lora_alpha: 0} | lora_alpha: must be above 0, found 0.0",
                "{rank: 8} | rank: unknown key",
            })
    void faultsAreNamed(String yaml, String message) {
        ConfigException e = assertThrows(ConfigException.class, () -> bind(yaml));

        assertTrue(e.getMessage().contains(message), e.getMessage());
    }
}
