package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.tegu.config.InvalidValueException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DataSettingsTest {

    @ParameterizedTest(name = "train [{0}], validation [{1}], length {2}")
    @CsvSource({
        "'', v, 8, train",
        "' ', v, 8, train",
        "t, ' ', 8, validation",
        "t, v, 1, sequence_length"
    })
    void valuesOutOfRangeAreRefusedByTheirKey(
            String train, String validation, int length, String key) {
        List<String> files = train.isEmpty() ? List.of() : List.of(train);

        InvalidValueException e =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                new DataSettings(
                                        files,
                                        List.of(validation),
                                        List.of(),
                                        DataFormat.TEXT,
                                        length));

        assertEquals(key, e.key());
    }

    @Test
    void evaluationsMeasureTheValidationTextUnlessOtherFilesAreNamed() {
        List<String> train = List.of("t");
        List<String> validation = List.of("v");

        assertEquals(
                validation,
                new DataSettings(train, validation, List.of(), DataFormat.TEXT, 8)
                        .evaluationTexts());
        assertEquals(
                List.of(),
                new DataSettings(train, validation, List.of(), DataFormat.JSONL, 8)
                        .evaluationTexts());
        assertEquals(
                List.of("e"),
                new DataSettings(train, validation, List.of("e"), DataFormat.JSONL, 8)
                        .evaluationTexts());
    }
}
