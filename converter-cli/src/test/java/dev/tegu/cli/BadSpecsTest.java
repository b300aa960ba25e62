package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Switches that mean nothing, or contradict each other or the model: each is refused as a bad
 * configuration, in one line with the key at fault, before anything is written.
 */
final class BadSpecsTest {
    @TempDir static Path dir;
    private static Path teacher;

    /** The teacher has 4 heads of width 4 on 2 key/value heads, and 2 layers. */
    @BeforeAll
    static void writeTeacher() throws IOException {
        teacher = TinyTeacher.writeInto(dir);
    }

    /** Key at fault, part of the message, switches. */
    static Stream<Arguments> contradictions() {
        return Stream.of(
                Arguments.of(
                        "feature_map.kind", "did you mean `hedgehog`?", "{feature_map: hedgehoog}"),
                Arguments.of("gate.kind", "did you mean `scalar`?", "{gate: scaler}"),
                Arguments.of("gate.kind", "did you mean `mamba2`?", "{gate: {kind: mamba}}"),
                Arguments.of("combine.kind", "did you mean `average`?", "{combine: averge}"),
                Arguments.of("linear_scope", "did you mean `all`?", "{linear_scope: al}"),
                Arguments.of("windw", "did you mean `window`?", "{windw: {size: 4}}"),
                Arguments.of(
                        "feature_map.featuredim",
                        "did you mean `feature_dim`?",
                        "{feature_map: {featuredim: 4}}"),
                Arguments.of(
                        "feature_map.feature_dim",
                        "must be at least 1, found 0",
                        "{feature_map: {feature_dim: 0}}"),
                Arguments.of(
                        "feature_map.feature_dim",
                        "must be at least 1, found -8",
                        "{feature_map: {feature_dim: -8}}"),
                Arguments.of("feature_map.feature_dim", "8.7", "{feature_map: {feature_dim: 8.7}}"),
                Arguments.of(
                        "feature_map.feature_dim",
                        "has no learned projection",
                        "{feature_map: {kind: elu, feature_dim: 4}}"),
                Arguments.of(
                        "feature_map.bias",
                        "has no learned projection",
                        "{feature_map: {kind: head_softmax, bias: true}}"),
                Arguments.of("window.size", "must be at least 0, found -1", "{window: {size: -1}}"),
                Arguments.of(
                        "window.shape",
                        "needs blocks of at least 1 token",
                        "{window: {size: 0, shape: terrace}}"),
                Arguments.of(
                        "window.sinks", "give the window a size", "{window: {size: 0, sinks: 4}}"),
                Arguments.of(
                        "window.keep_first", "give the window a size", "{window: {keep_first: 4}}"),
                Arguments.of(
                        "window.anchor",
                        "only `shape: terrace` has blocks",
                        "{window: {size: 4, anchor: end}}"),
                Arguments.of(
                        "window.keep_first",
                        "goes with `anchor: start` only",
                        "{window: {size: 4, shape: terrace, anchor: end, keep_first: 1}}"),
                Arguments.of(
                        "window.anchor",
                        "which has no gate",
                        "{gate: scalar, window: {size: 4, shape: terrace, anchor: end}}"),
                Arguments.of(
                        "combine.alpha_start",
                        "only `sum` has an alpha",
                        "{window: {size: 4}, combine: {kind: shared_denominator, alpha_start: 1.0}}"),
                Arguments.of(
                        "combine.alpha_start",
                        "give the window a size",
                        "{combine: {kind: sum, alpha_start: 1.0}}"),
                Arguments.of(
                        "combine.window_factor_start",
                        "must lie between 0 and 1",
                        "{window: {size: 4}, combine: {window_factor_start: 1.0}}"),
                Arguments.of(
                        "combine.window_factor_start",
                        "only `shared_denominator`",
                        "{window: {size: 4}, combine: {kind: sum, window_factor_start: 0.5}}"),
                Arguments.of(
                        "combine.affine", "one of them is missing", "{combine: {affine: true}}"),
                Arguments.of("combine", "`average` needs two branches", "{combine: average}"),
                Arguments.of("combine", "`none` goes with", "{window: {size: 4}, combine: none}"),
                Arguments.of("window.size", "leaves nothing to attend to", "{linear_scope: none}"),
                Arguments.of("normalize", "always normalizes", "{normalize: false}"),
                Arguments.of(
                        "gate",
                        "there is no linear branch to gate",
                        "{gate: scalar, window: {size: 4}, linear_scope: none}"),
                Arguments.of("gate.start", "1.5", "{gate: {kind: scalar, start: 1.5}}"),
                Arguments.of(
                        "gate.start",
                        "only a learned gate has a start",
                        "{gate: {kind: constant, start: 0.9}}"),
                Arguments.of(
                        "gate.rank",
                        "only `low_rank_vector` has a rank",
                        "{gate: {kind: scalar, rank: 8}}"),
                Arguments.of(
                        "gate.rank",
                        "must be at least 1, found 0",
                        "{gate: {kind: low_rank_vector, rank: 0}}"),
                Arguments.of(
                        "gate.divisor",
                        "must be greater than 0",
                        "{gate: {kind: low_rank_vector, divisor: 0.0}}"),
                Arguments.of(
                        "gate.per",
                        "only a learned gate can be shared",
                        "{gate: {kind: constant, per: layer}}"),
                Arguments.of(
                        "gate.pool", "only `key_pool` pools", "{gate: {kind: scalar, pool: mean}}"),
                Arguments.of(
                        "gate.schedule",
                        "only `constant` has a schedule",
                        "{gate: {kind: scalar, schedule: lightning}}"),
                Arguments.of(
                        "gate.absorb",
                        "only a gate of one number a head",
                        "{gate: {kind: low_rank_vector, absorb: true}}"),
                Arguments.of(
                        "gate.absorb",
                        "only exponential features",
                        "{feature_map: t2r, gate: {kind: scalar, absorb: true}}"),
                Arguments.of(
                        "keep_softmax", "a fraction lies between 0 and 1", "{keep_softmax: 1.5}"),
                Arguments.of("keep_softmax", "cannot be negative", "{keep_softmax: [-1]}"));
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("contradictions")
    void aContradictionIsRefusedByProbeAndConvert(String key, String message, String switches)
            throws IOException {
        Path file = Files.writeString(dir.resolve("method.yaml"), switches + "\n");

        refused(
                file + ":",
                key + ": ",
                message,
                leavingNothing(
                        "probe",
                        "attention",
                        "--spec=" + file,
                        "--tensors=" + dir.resolve("none.safetensors"),
                        "--output=" + dir.resolve("out.safetensors")));
        refused("", "method." + key + ": ", message, convert(file));
    }

    /** Key at fault, part of the message, switches: right by themselves, wrong for this teacher. */
    static Stream<Arguments> misfits() {
        return Stream.of(
                Arguments.of(
                        "feature_map.skip",
                        "set `feature_dim: 4`",
                        "{feature_map: {skip: true, feature_dim: 3}}"),
                Arguments.of("gate.kind", "`key_pool` gives one gate for each", "{gate: key_pool}"),
                Arguments.of("keep_softmax", "names the layers [2]", "{keep_softmax: [0, 2]}"));
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("misfits")
    void whatDoesNotFitTheTeacherIsRefusedByConvert(String key, String message, String switches)
            throws IOException {
        Path file = Files.writeString(dir.resolve("method.yaml"), switches + "\n");

        refused("", key + ": ", message, convert(file));
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("contradictions")
    void aContradictionIsRefusedByValidate(String key, String message, String switches)
            throws IOException {
        String experiment =
                TinyTeacher.experiment(dir)
                        .replace("method: lolcats\n", "method: " + switches + "\n")
                        .replace("method_overrides: {window: {size: 8}}\n", "");
        Path config = Files.writeString(dir.resolve("experiment.yaml"), experiment);

        refused(
                config + ":",
                "method." + key + ": ",
                message,
                leavingNothing("validate", config.toString()));
    }

    @Test
    void anUnknownPresetIsToldWithTheNearest() throws IOException {
        refused(
                "--spec: ",
                "no preset `lolcat` (did you mean `lolcats`?)",
                "a file is named by a path",
                leavingNothing(
                        "probe",
                        "attention",
                        "--spec=lolcat",
                        "--tensors=" + dir.resolve("none.safetensors"),
                        "--output=" + dir.resolve("out.safetensors")));
    }

    private static Invocation convert(Path method) throws IOException {
        return leavingNothing(
                "convert",
                "--teacher=" + teacher,
                "--method=" + method,
                "--output=" + dir.resolve("out"));
    }

    private static Invocation leavingNothing(String... arguments) throws IOException {
        Set<Path> before = files();

        Invocation run = Invocation.of(arguments);

        assertEquals(before, files());
        return run;
    }

    private static Set<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(dir)) {
            return files.collect(Collectors.toSet());
        }
    }

    private static void refused(String place, String key, String message, Invocation run) {
        assertEquals(3, run.exitCode(), run.err());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().startsWith("error: " + place), run.err());
        assertTrue(run.err().contains(key), run.err());
        assertTrue(run.err().contains(message), run.err());
    }
}
