package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PythonFloatTest {
    /** The texts are what Python 3 printed. */
    @ParameterizedTest
    @CsvSource({
        "1.0, 1.0",
        "0.1, 0.1",
        "-0.0, -0.0",
        "1e-4, 0.0001",
        "1e-5, 1e-05",
        "1e15, 1000000000000000.0",
        "1e16, 1e+16",
        "2e23, 2e+23",
        "2.0E-3, 0.002",
        "-8.41E21, -8.41e+21",
        "4.9E-324, 5e-324",
        "1.7976931348623157E308, 1.7976931348623157e+308",
        "-1.2345678806304932, -1.2345678806304932",
        "0.30000000000000004, 0.30000000000000004",
        "NaN, nan",
        "-Infinity, -inf"
    })
    void isWhatPythonPrints(double value, String expected) {
        assertEquals(expected, PythonFloat.repr(value));
    }

    @Test
    void readsBackAsTheSameNumber() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 2_000; i++) {
            double value = Double.longBitsToDouble(random.nextLong());
            if (Double.isFinite(value)) {
                assertEquals(value, Double.parseDouble(PythonFloat.repr(value)));
            }
        }
    }

    @Test
    void dumpsAsPythonDoes() {
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("query", "é \"x\"\n\u0001");
        doc.put("empty", List.of());
        doc.put("choices", List.of("a", 1, 0.00001));
        doc.put("none", null);

        assertEquals(
                "{\"query\": \"é \\\"x\\\"\\n\\u0001\", \"empty\": [], \"choices\": [\"a\", 1,"
                        + " 1e-05], \"none\": null}",
                PythonJson.dumps(doc));
        assertEquals(
                "{\n  \"a\": [\n    true\n  ]\n}", PythonJson.dumps(Map.of("a", List.of(true)), 2));
    }
}
