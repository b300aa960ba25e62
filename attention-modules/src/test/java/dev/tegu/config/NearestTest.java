package dev.tegu.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestTest {

    private static final List<String> NAMES =
            List.of("r", "size", "shape", "feature_dim", "learning_rate", "window_factor");

    @ParameterizedTest
    @CsvSource({
        "sise, size",
        "isze, size",
        "shap, shape",
        "featuredim, feature_dim",
        "featureDim, feature_dim",
        "FEATURE-DIM, feature_dim",
        "leraning_rat, learning_rate",
        "windowfactor, window_factor",
    })
    void slipsAreForgiven(String written, String meant) {
        assertEquals(Optional.of(meant), Nearest.to(written, NAMES));
    }

    @ParameterizedTest
    @CsvSource({"color", "dimension", "x_y_z", "rate"})
    void othersAreNotGuessed(String written) {
        assertEquals(Optional.empty(), Nearest.to(written, NAMES));
        assertEquals("", Nearest.hint(written, NAMES));
    }

    @ParameterizedTest
    @CsvSource({"'', abc, 3", "abc, '', 3", "abc, abc, 0", "abcd, abdc, 1", "kitten, sitting, 3"})
    void distanceCountsSlips(String a, String b, int expected) {
        assertEquals(expected, Nearest.distance(a, b));
    }

    @Test
    void firstOfEquallyNearNamesWins() {
        assertEquals(Optional.of("abd"), Nearest.to("abc", List.of("abd", "abe")));
    }
}
