package dev.tegu.cli.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.StateSize;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ControlTest {
    private final AttentionShape shape = new AttentionShape(6, 2, 64, 384);
    private final AttentionSpec lolcats = AttentionPresets.spec("lolcats");

    @ParameterizedTest
    @ValueSource(strings = {"window-only@state", "window-sinks@state"})
    void theWindowAtEqualStateHoldsAsManyBytesAsTheMethodAndLessThanATokenMore(String name) {
        long control = StateSize.of(Control.of(name).spec(lolcats, shape), shape);
        long method = StateSize.of(lolcats, shape);
        long token = StateSize.ofWindow(1, shape);

        assertTrue(control >= method && control < method + 2 * token, control + " of " + method);
    }

    @Test
    void aPresetTakesTheWindowOfTheMethod() {
        AttentionSpec lizard = AttentionPresets.spec("lizard");
        assertEquals(128, Control.of("window-only").spec(lizard, shape).window().size());
        assertEquals(lizard, Control.of("untrained").spec(lizard, shape));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"window-onyl", "untrained@state", "lolcats@state", "no-attention@state"})
    void whatIsNoControlIsRefused(String name) {
        assertThrows(InvalidValueException.class, () -> Control.of(name));
    }
}
