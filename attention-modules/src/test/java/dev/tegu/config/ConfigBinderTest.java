package dev.tegu.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigBinderTest {

    enum MapKind {
        HEDGEHOG,
        HEDGEHOG_JOINT,
        T2R
    }

    record MapBlock(MapKind kind, @Default("0") int featureDim) {}

    record Window(@Default("64") int size, @Default("true") boolean rope) {
        Window {
            if (size < 0) {
                throw new InvalidValueException("size", "must be 0 or more, found " + size);
            }
        }
    }

    record Experiment(
            String teacher,
            MapBlock featureMap,
            @Default("{}") Window window,
            @Default("1.0e-4") double learningRate,
            @Default("500_000") long tokens,
            Optional<Integer> limit,
            @Default("[q_proj, v_proj]") List<String> targetModules,
            @Default("{}") Map<String, Double> weights,
            Optional<ConfigNode> raw) {
        Experiment {
            if (window.size() > 512) {
                throw new InvalidValueException("window.size", "must be at most 512");
            }
            if (tokens == 13) {
                throw new IllegalArgumentException("thirteen tokens are too few");
            }
        }
    }

    private static final String MINIMAL = "teacher: a/b\nfeature_map: hedgehog\n";

    private static Experiment bind(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "a.yaml"), Experiment.class);
    }

    private static String problemsOf(String yaml) {
        ConfigException e = assertThrows(ConfigException.class, () -> bind(yaml));
        return e.problems().stream().map(Problem::toString).collect(Collectors.joining("\n"));
    }

    @Test
    void absentKeysTakeTheirDefaults() {
        Experiment experiment = bind(MINIMAL);

        Experiment expected =
                new Experiment(
                        "a/b",
                        new MapBlock(MapKind.HEDGEHOG, 0),
                        new Window(64, true),
                        1e-4,
                        500_000,
                        Optional.empty(),
                        List.of("q_proj", "v_proj"),
                        Map.of(),
                        Optional.empty());
        assertEquals(expected, experiment);
    }

    @Test
    void everyMistakeIsReportedAtItsPlaceInTheOrderOfTheText() {
        String yaml =
                """
                feature_map: {kind: hedgehogg, feature_dim: 8.7}
                window:
                  sise: 32
                  rope: yes
                learning_rate: .inf
                limit: many
                target_modules: q_proj
                weights: {a: 1, b: x}
                color: red
                """;

        String expected =
                """
                a.yaml:1:1: teacher: missing key, expected text
                a.yaml:1:21: feature_map.kind: expected one of `hedgehog`, `hedgehog_joint`, `t2r`, found `hedgehogg` (did you mean `hedgehog`?)
                a.yaml:1:45: feature_map.feature_dim: expected a whole number, found `8.7`
                a.yaml:3:3: window.sise: unknown key (did you mean `size`?)
                a.yaml:4:9: window.rope: expected `true` or `false`, found `yes`
                a.yaml:5:16: learning_rate: expected a finite number, found `.inf`
                a.yaml:6:8: limit: expected a whole number, found `many`
                a.yaml:7:17: target_modules: expected a list, found `q_proj`; write `[a, b]`
                a.yaml:8:20: weights.b: expected a finite number, found `x`
                a.yaml:9:1: color: unknown key; known here: `teacher`, `feature_map`, `window`, `learning_rate`, `tokens`, `limit`, `target_modules`, `weights`, `raw`""";
        assertEquals(expected, problemsOf(yaml));
    }

    @Test
    void whatTheConstructorRefusesIsPlacedAtTheKey() {
        assertEquals(
                "a.yaml:4:3: window.size: must be 0 or more, found -1",
                problemsOf(MINIMAL + "window:\n  size: -1\n"));
        assertEquals(
                "a.yaml:3:10: window.size: must be at most 512",
                problemsOf(MINIMAL + "window: {size: 513}\n"));
        assertEquals(
                "a.yaml:1:1: thirteen tokens are too few", problemsOf(MINIMAL + "tokens: 13\n"));
    }

    @ParameterizedTest
    @CsvSource({"1e-4, 1e-4", "1.0e-4, 1e-4", "1E3, 1000", "1, 1", "-.5, -0.5", "1_000.5, 1000.5"})
    void doublesAreReadInEveryUsualSpelling(String text, double expected) {
        assertEquals(expected, bind(MINIMAL + "learning_rate: " + text).learningRate());
    }

    @ParameterizedTest
    @CsvSource({"nan", "NaN", ".inf", "1e999", "0x10", "1__0", "''''", "1e", "'\"1\"'"})
    void whatIsNoFiniteNumberIsRefused(String text) {
        assertThrows(ConfigException.class, () -> bind(MINIMAL + "learning_rate: " + text));
    }

    @ParameterizedTest
    @CsvSource({"500_000, 500000", "0, 0", "-3, -3", "9223372036854775807, 9223372036854775807"})
    void wholeNumbersTakeUnderscores(String text, long expected) {
        assertEquals(expected, bind(MINIMAL + "tokens: " + text).tokens());
    }

    @ParameterizedTest
    @CsvSource({"8.0", "1e6", "010", "0x1F", "1:20", "'\"5\"'", "9223372036854775808", "true"})
    void whatIsNoWholeNumberIsRefused(String text) {
        assertThrows(ConfigException.class, () -> bind(MINIMAL + "tokens: " + text));
    }

    @Test
    void theReasonComesWithTheNumberThatDoesNotFit() {
        assertEquals(
                "a.yaml:3:8: limit: expected a whole number, found `3000000000`; the largest is"
                        + " 2147483647",
                problemsOf(MINIMAL + "limit: 3000000000"));
        assertEquals(
                "a.yaml:1:10: teacher: expected text, found `2024`; put it in quotes if text is"
                        + " meant",
                problemsOf("teacher: 2024\nfeature_map: t2r\n"));
        assertEquals(
                "a.yaml:3:8: tokens: expected a whole number, found nothing; give a value, or"
                        + " remove the key if it has a default",
                problemsOf(MINIMAL + "tokens:\n"));
    }

    @Test
    void bareWordStandsForABlockOfThatKind() {
        assertEquals(bind(MINIMAL), bind("teacher: a/b\nfeature_map: {kind: hedgehog}\n"));
        assertEquals(
                "a.yaml:3:9: window: expected a block with the keys `size`, `rope`, found `wide`",
                problemsOf(MINIMAL + "window: wide\n"));
    }

    @Test
    void emptyFileNamesTheKeysItNeeds() {
        String problems = problemsOf("# nothing yet\n");

        assertEquals(
                "a.yaml:1:1: expected a block with the keys `teacher`, `feature_map`, `window`,"
                        + " `learning_rate`, `tokens`, `limit`, `target_modules`, `weights`, `raw`,"
                        + " found nothing",
                problems);
    }

    @Test
    void effectiveConfigurationBindsToTheSameRecord() {
        Experiment experiment =
                bind(
                        MINIMAL
                                + "window: {size: 7, rope: false}\n"
                                + "learning_rate: 3e-9\nlimit: 5\nweights: {a: 0.1, b c: 1e300}\n"
                                + "raw: {x: [1, '2', {y: 1e-4}]}\n");

        ConfigNode node = ConfigBinder.toNode(experiment);

        assertEquals(experiment, ConfigBinder.bind(node, Experiment.class));
        assertEquals(experiment, bind(node.toYaml()));
        assertEquals(node.toYaml(), ConfigBinder.toNode(bind(node.toYaml())).toYaml());
    }

    @Test
    void effectiveConfigurationHoldsPlainValuesInTheOrderOfTheRecord() {
        Map<String, Object> map = ConfigBinder.toMap(bind(MINIMAL));

        assertEquals(
                "{teacher=a/b, feature_map={kind=hedgehog, feature_dim=0}, window={size=64,"
                        + " rope=true}, learning_rate=1.0E-4, tokens=500000,"
                        + " target_modules=[q_proj, v_proj], weights={}}",
                map.toString());
    }

    record Broken(@Default("x") int size) {}

    record NullDefault(@Default("5") Optional<Integer> size) {}

    @Test
    void faultInADefaultIsAFaultOfTheProgram() {
        ConfigNode empty = ConfigNode.parse("{}", "a.yaml");

        assertThrows(IllegalStateException.class, () -> ConfigBinder.bind(empty, Broken.class));
    }

    @Test
    void optionalWithADefaultCanBeSwitchedOffAndStaysOff() {
        ConfigNode off = ConfigNode.parse("size: null", "a.yaml");

        NullDefault bound = ConfigBinder.bind(off, NullDefault.class);

        assertEquals(new NullDefault(Optional.empty()), bound);
        ConfigNode again = ConfigBinder.toNode(bound);
        assertEquals(bound, ConfigBinder.bind(again, NullDefault.class));
    }

    record Steps(int count, @Default("0.1") double rate) {
        Steps {
            if (count < 1) {
                throw new InvalidValueException("count", "expected 1 or more, found " + count);
            }
        }
    }

    record Stage(@Flat("{rate: 0.5}") Steps steps, @Default("4") int rank) {}

    private static Stage stage(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "a.yaml"), Stage.class);
    }

    @Test
    void keysOfAFlatRecordStandBesideItsOwners() {
        assertEquals(new Stage(new Steps(3, 0.25), 8), stage("{count: 3, rate: 0.25, rank: 8}"));
        assertEquals(new Stage(new Steps(3, 0.5), 4), stage("count: 3"));
        assertEquals(
                Map.of("count", 3, "rate", 0.5, "rank", 4), ConfigBinder.toMap(stage("count: 3")));
    }

    @Test
    void faultsOfAFlatRecordAreToldAtItsKeys() {
        ConfigException range = assertThrows(ConfigException.class, () -> stage("{count: 0}"));
        ConfigException typo =
                assertThrows(ConfigException.class, () -> stage("{count: 1, rat: 0.5}"));

        assertEquals("count", range.problems().get(0).path());
        assertEquals(2, range.problems().get(0).column());
        assertEquals(true, typo.getMessage().contains("did you mean `rate`"));
    }
}
