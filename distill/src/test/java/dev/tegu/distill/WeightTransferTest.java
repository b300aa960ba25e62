package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.util.Pair;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The cross-entropy of attention weights, and the settings of stage 1 that go with it. */
class WeightTransferTest {
    @TempDir Path dir;

    private static DecoderModel student(int layers, String preset, String keepSoftmax)
            throws IOException {
        DecoderModel model = Tiny.student(layers, Tiny.method(preset, keepSoftmax));
        TinyModels.disturb(model);
        return model;
    }

    private static double loss(DecoderModel model, String yaml, NDArray ids) {
        try (AttentionTransfer transfer = new AttentionTransfer(model, Tiny.stage1(yaml))) {
            return transfer.loss(TrainingBatch.of(ids, ids)).total();
        }
    }

    private static double trained(DecoderModel model, String yaml, NDArray ids, StepContext at) {
        try (AttentionTransfer transfer = new AttentionTransfer(model, Tiny.stage1(yaml))) {
            transfer.groups()
                    .forEach(
                            group ->
                                    group.parameters()
                                            .values()
                                            .forEach(p -> p.setRequiresGradient(true)));
            return transfer.backward(TrainingBatch.of(ids, ids), at).read().total();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {24, 1000})
    void theCrossEntropyIsTheOneComputedByHand(int queries) throws IOException {
        try (DecoderModel model = student(1, "lolcats", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 2);
            DecoderLayer layer = model.layers().get(0);
            DecoderLayer.Projected in = layer.project(model.embed(ids));
            HandAttention hand = new HandAttention(in, model.rope(scope, 0, Tiny.LENGTH), layer, 4);
            double sum = 0;
            for (int b = 0; b < 2; b++) {
                for (int h = 0; h < 4; h++) {
                    for (int t = 0; t < Tiny.LENGTH; t++) {
                        Pair<double[], double[]> both = hand.weights(b, h, t);
                        for (int j = 0; j <= t; j++) {
                            double share = Math.max(1e-12, both.getValue()[j]);
                            sum -= both.getKey()[j] * Math.log(share);
                        }
                    }
                }
            }
            double expected = sum / (2 * 4 * Tiny.LENGTH);
            String all = ", xent_queries: " + queries + "}";

            double alone = loss(model, "{tokens: 1, mse_factor: 0.0, xent_factor: 3.0" + all, ids);
            double outputs = loss(model, "{tokens: 1}", ids);
            double both = loss(model, "{tokens: 1, mse_factor: 500.0, xent_factor: 2.0" + all, ids);

            assertEquals(3 * expected, alone, 1e-5 * alone);
            assertEquals(2 * expected + outputs / 2, both, 1e-5 * both);
        }
    }

    @Test
    void theFactorOfTheSquaredErrorIsTheSetting() throws IOException {
        try (DecoderModel model = student(1, "lolcats", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 1);

            double standard = loss(model, "{tokens: 1}", ids);
            double small = loss(model, "{tokens: 1, mse_factor: 10.0}", ids);

            assertEquals(standard / 100, small, 1e-6 * small);
        }
    }

    @Test
    void queriesAreDrawnAnewWhileTrainingAndFixedWhereMeasured() throws IOException {
        String yaml = "{tokens: 1, mse_factor: 0.0, xent_factor: 1.0, xent_queries: 3}";
        try (DecoderModel model = student(1, "lolcats", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 1);
            StepContext first = StepContext.first();
            StepContext second = new StepContext(0, 1, 2, 0, 1, Set.of());

            double one = trained(model, yaml, ids, first);

            assertEquals(one, trained(model, yaml, ids, first), "the same step");
            assertNotEquals(one, trained(model, yaml, ids, second));
            assertEquals(loss(model, yaml, ids), loss(model, yaml, ids));
            assertNotEquals(
                    loss(model, yaml, ids), loss(model, yaml.replace(": 3}", ": 24}"), ids));
        }
    }

    @Test
    void queriesAreDifferentPlacesOfEverySort() {
        Set<Integer> seen = new HashSet<>();
        for (int step = 0; step < 100; step++) {
            StepContext at = new StepContext(1, step, 100, 0, 1, Set.of());
            int[] drawn = Queries.of(5, 24, Optional.of(at));
            assertEquals(5, Arrays.stream(drawn).distinct().count());
            assertArrayEquals(drawn, Arrays.stream(drawn).sorted().toArray());
            Arrays.stream(drawn).forEach(seen::add);
        }

        assertEquals(24, seen.size());
        assertArrayEquals(new int[] {5, 11, 17, 23}, Queries.of(4, 24, Optional.empty()));
        assertArrayEquals(new int[] {0, 1, 2}, Queries.of(9, 3, Optional.of(StepContext.first())));
    }

    @Test
    void layersThatAreNotChosenStayAndThoseAboveDoNotRun() throws IOException {
        try (DecoderModel model = student(4, "lolcats", "[1]");
                TorchScript script = Scripts.training();
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 1);
            NDArray above = model.layers().get(3).weights().get("q_proj.weight");
            NDArray nan = scope.create(Float.NaN).broadcast(above.getShape());
            script.call("copy", new TorchScript.Arguments().add(nan).add(above));
            try (AttentionTransfer chosen =
                    new AttentionTransfer(model, Tiny.stage1("{tokens: 1, layers: [2, 0]}"))) {
                Losses losses = chosen.loss(TrainingBatch.of(ids, ids));

                List<String> names = List.of("layers.0", "layers.2");
                assertEquals(names, losses.parts().stream().map(Losses.Part::name).toList());
                assertEquals(names, chosen.groups().stream().map(ParameterGroup::name).toList());
                assertTrue(Double.isFinite(losses.total()));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "7, 'no layer 7: the model has 4, counted from 0'",
        "1, 'layer 1 keeps its softmax, there is nothing to train; the linearized layers are [0, 2, 3]'"
    })
    void layersThatAreNotThereAreRefused(int layer, String message) throws IOException {
        try (DecoderModel model = student(4, "lolcats", "[1]")) {
            String layers = "{tokens: 1, layers: [0, " + layer + "]}";
            InvalidValueException transfer =
                    assertThrows(
                            InvalidValueException.class,
                            () -> new AttentionTransfer(model, Tiny.stage1(layers)));
            InvalidValueException orientation =
                    assertThrows(
                            InvalidValueException.class,
                            () -> new MatrixOrientation(model, Tiny.stage0(layers)));

            assertEquals(message, transfer.getMessage());
            assertEquals("attention_transfer.layers", transfer.key());
            assertEquals(message, orientation.getMessage());
            assertEquals("matrix_orientation.layers", orientation.key());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gla", "retnet", "lightning"})
    void weightsOfEitherSignHaveNoCrossEntropy(String preset) throws IOException {
        try (DecoderModel model = student(1, preset, "[]")) {
            InvalidValueException e =
                    assertThrows(
                            InvalidValueException.class,
                            () ->
                                    new AttentionTransfer(
                                            model, Tiny.stage1("{tokens: 1, xent_factor: 1.0}")));

            assertEquals("attention_transfer.xent_factor", e.key());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "'mse_factor: 0.0', mse_factor",
        "'mse_factor: -1.0', mse_factor",
        "'xent_factor: -1.0', xent_factor",
        "'xent_queries: 0', xent_queries",
        "'layers: [-1]', layers",
        "'layers: [1, 1]', layers",
        "'window_dropout: [0.5, 1.5]', window_dropout"
    })
    void valuesOutOfRangeAreRefusedAtTheirKey(String line, String key) {
        ConfigException e =
                assertThrows(ConfigException.class, () -> Tiny.stage1("tokens: 1\n" + line + "\n"));

        assertEquals(1, e.problems().size());
        assertTrue(e.problems().get(0).toString().contains(key + ": "), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"outputs", "both", "matrices"})
    void whatIsNotFiniteIsNamed(String compares) throws IOException {
        try (DecoderModel model = student(3, "lolcats", "[]");
                TorchScript script = Scripts.training();
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 1);
            Objective objective = Tiny.apart(compares, model, "[2]");
            TrainingBatch batch = TrainingBatch.of(ids, ids);
            NDArray map = model.layers().get(2).parameters().get("feature_map_k.weight");
            NDArray lower = model.layers().get(0).weights().get("down_proj.weight");

            assertEquals(Optional.empty(), objective.firstNonFinite(batch));
            script.call("copy", nan(scope, map));
            assertEquals(Optional.of("layers.2"), objective.firstNonFinite(batch));
            script.call("copy", nan(scope, lower));
            assertEquals(Optional.of("layers.0"), objective.firstNonFinite(batch));
            script.call("copy", nan(scope, model.ends().get(0)));
            assertEquals(Optional.of("embed_tokens"), objective.firstNonFinite(batch));
        }
    }

    @Test
    void aTrainingThatFailsNamesTheLayerThatPassesItOn() throws IOException {
        AttentionTransferSettings settings = Tiny.stage1("{tokens: 100, layers: [2]}");
        try (DecoderModel model = student(3, "lolcats", "[]");
                TorchScript script = Scripts.training();
                NDManager scope = model.manager().newSubManager();
                AttentionTransfer transfer = new AttentionTransfer(model, settings)) {
            NDArray lower = model.layers().get(0).weights().get("down_proj.weight");
            script.call("copy", nan(scope, lower));
            TrainingLoop loop =
                    new TrainingLoop(
                            Tiny.data(dir),
                            Optional.empty(),
                            settings.training(),
                            3,
                            new TrainingListener() {});

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () ->
                                    loop.run(
                                            transfer,
                                            model.manager(),
                                            new StageCheckpoints(dir.resolve("a"), Map.of())));

            String where = "attention_transfer, step 1, layers.0: the loss is NaN";
            assertTrue(e.getMessage().startsWith(where), e.getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"outputs", "weights", "matrices"})
    void documentsOfOneSequenceAreTextsOfTheirOwn(String compares) throws IOException {
        try (DecoderModel model = student(2, "lizard", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 1);
            long[] document = new long[Tiny.LENGTH];
            Arrays.fill(document, Tiny.LENGTH / 2, Tiny.LENGTH, 1);
            NDArray documents = scope.create(new long[][] {document});
            NDArray halves = ids.reshape(2, Tiny.LENGTH / 2);
            // the same texts as rows; the matrices of this stage are then half as long
            Objective joined = Tiny.apart(compares, model, "[]");
            Objective apart =
                    joined instanceof MatrixOrientation
                            ? new MatrixOrientation(
                                    model, Tiny.stage0("{tokens: 1, sequence_length: 12}"))
                            : joined;

            double together =
                    joined.loss(new TrainingBatch(ids, ids, Optional.of(documents))).total();

            double expected = apart.loss(TrainingBatch.of(halves, halves)).total();
            assertEquals(expected, together, 1e-5 * expected);
            assertNotEquals(
                    expected, joined.loss(TrainingBatch.of(ids, ids)).total(), 1e-3 * expected);
        }
    }

    private static TorchScript.Arguments nan(NDManager scope, NDArray target) {
        NDArray nan = scope.create(Float.NaN).broadcast(target.getShape());
        return new TorchScript.Arguments().add(nan).add(target);
    }
}
