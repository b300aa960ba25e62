package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.InvalidValueException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DataSettingsTest {
    @TempDir Path dir;

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
                                        length,
                                        Packing.JOINED,
                                        false,
                                        0));

        assertEquals(key, e.key());
    }

    @ParameterizedTest(name = "{0} beside [{1}]")
    @CsvSource({"-0.1, ''", "1, ''", "NaN, ''", "0.1, v"})
    void aSplitOutOfRangeOrBesideFilesIsRefused(double split, String validation) {
        List<String> files = validation.isEmpty() ? List.of() : List.of(validation);

        InvalidValueException e =
                assertThrows(
                        InvalidValueException.class, () -> settings(DataFormat.TEXT, files, split));

        assertEquals("validation_split", e.key());
    }

    @Test
    void filesAndASplitAreBothValidation() {
        assertFalse(settings(DataFormat.TEXT, List.of(), 0).hasValidation());
        assertTrue(settings(DataFormat.TEXT, List.of(), 0.1).hasValidation());
        assertTrue(settings(DataFormat.TEXT, List.of("v"), 0).hasValidation());
    }

    @Test
    void evaluationsMeasureTheValidationTextUnlessOtherFilesAreNamed() throws IOException {
        Path file = Files.writeString(dir.resolve("v.txt"), "text");
        List<String> validation = List.of(file.toString());

        DataSettings text = settings(DataFormat.TEXT, validation, 0);
        DataSettings records = settings(DataFormat.JSONL, validation, 0);
        DataSettings named =
                new DataSettings(
                        List.of("t"),
                        validation,
                        List.of("e"),
                        DataFormat.JSONL,
                        8,
                        Packing.JOINED,
                        false,
                        0);

        assertTrue(text.measuresText());
        assertEquals(List.of(file), text.evaluationTexts());
        assertFalse(records.measuresText());
        assertEquals(List.of(), records.evaluationTexts());
        assertTrue(named.measuresText());
        assertEquals(List.of(Path.of("e")), named.evaluationTexts());
        assertFalse(settings(DataFormat.TEXT, List.of(), 0.1).measuresText());
    }

    private static DataSettings settings(DataFormat format, List<String> validation, double split) {
        return new DataSettings(
                List.of("t"), validation, List.of(), format, 8, Packing.JOINED, false, split);
    }
}
