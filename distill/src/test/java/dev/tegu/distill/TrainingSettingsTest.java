package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TrainingSettingsTest {

    @Test
    void theTokensAloneMakeAWholeStage() {
        LoraFinetuneSettings settings = bind("tokens: 1_000");

        assertEquals(1000, settings.training().tokens());
        assertEquals(8, settings.r());
        assertEquals(List.of("q_proj", "k_proj", "v_proj", "o_proj"), settings.targetModules());
        assertEquals(List.of(0.9, 0.999), settings.training().betas());
    }

    @Test
    void tokensAreRoundedUpToWholeSteps() {
        LoraFinetuneSettings settings = bind("{tokens: 1025, batch_size: 4}");

        assertEquals(2, settings.training().steps(256));
        assertEquals(1024, settings.training().tokensPerStep(256));
        LoraFinetuneSettings more = bind("{tokens: 1025, gradient_accumulation_steps: 2}");
        assertEquals(2048, more.training().tokensPerStep(256));
        assertEquals(1, more.training().steps(256));
        assertEquals(1, bind("{tokens: 1024, batch_size: 4}").training().steps(256));
    }

    @Test
    void theScheduleEndsAtTheFloorOfThePeak() {
        LoraFinetuneSettings settings =
                bind("{tokens: 1024, batch_size: 1, learning_rate: 0.5, min_lr_ratio: 0.2}");

        assertEquals(0.1, settings.training().schedule(256).at(4), 1e-12);
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(
            strings = {
                "tokens: 0",
                "batch_size: 0",
                "learning_rate: 0.0",
                "warmup_ratio: 1.1",
                "min_lr_ratio: -0.1",
                "weight_decay: -0.1",
                "betas: [0.9]",
                "betas: [0.9, 1.0]",
                "max_grad_norm: -1.0",
                "log_every: 0",
                "save_every: -1",
                "save_total_limit: 0",
                "gradient_accumulation_steps: 0",
                "validate_every: -1",
                "learning_rates: {gate: 0.0}",
                "learning_rates: {gates: 0.1}",
                "decay_ratio: 1.5",
                "early_stop_patience: -1",
                "plateau_patience: -1",
                "plateau_factor: 0.0",
                "plateau_factor: 1.0",
                "r: 0",
                "lora_alpha: 0.0",
                "lora_dropout: 1.0",
                "target_modules: []",
                "target_modules: [q_proj, q_proj]"
            })
    void valuesOutOfRangeAreRefusedAtTheirKey(String line) {
        String text = line.startsWith("tokens") ? line : "tokens: 100\n" + line;

        ConfigException e = assertThrows(ConfigException.class, () -> bind(text));

        String key = line.substring(0, line.indexOf(':'));
        assertTrue(e.problems().get(0).path().startsWith(key), e.getMessage());
        assertTrue(e.getMessage().matches("(?s).*(expected |did you mean).*"), e.getMessage());
    }

    @Test
    void bothStagesHaveTheSameRanges() {
        ConfigNode text = ConfigNode.parse("{tokens: 0}", "test");

        assertThrows(
                ConfigException.class,
                () -> ConfigBinder.bind(text, AttentionTransferSettings.class));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "1e-4, 1e-4",
        "1E-4, 1e-4",
        "1e-12, 1e-12",
        "1.0e-12, 1e-12",
        "2e0, 2",
        "1e4, 10000",
        "1e+2, 100"
    })
    @DisplayName("26: numbers with an exponent and no dot are numbers")
    void numbersWithAnExponentAndNoDotAreNumbers(String text, double expected) {
        assertEquals(expected, bind("tokens: 1\nlearning_rate: " + text).training().learningRate());
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"1e-12", "0e0"})
    @DisplayName("26: small parts of one with an exponent and no dot are numbers")
    void smallPartsAreNumbers(String text) {
        LoraFinetuneSettings settings = bind("tokens: 1\nmin_lr_ratio: " + text);

        assertEquals(Double.parseDouble(text), settings.training().minLrRatio());
    }

    @Test
    @DisplayName("26: such numbers survive being written and read again")
    void numbersSurviveTheEffectiveConfiguration() {
        LoraFinetuneSettings settings =
                bind("{tokens: 1, learning_rate: 1e-12, weight_decay: 1e-4, betas: [9e-1, 1e-9]}");

        String yaml = ConfigBinder.toNode(settings).toYaml();

        assertEquals(settings, bind(yaml));
        assertEquals(List.of(0.9, 1e-9), bind(yaml).training().betas());
    }

    @Test
    @DisplayName("26: a number in quotes is text and refused")
    void aNumberInQuotesIsRefused() {
        assertThrows(ConfigException.class, () -> bind("{tokens: 1, learning_rate: '1e-4'}"));
    }

    private static LoraFinetuneSettings bind(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), LoraFinetuneSettings.class);
    }
}
