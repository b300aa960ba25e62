package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.util.Pair;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The loss of attention transfer, against loops over doubles. */
class TransferLossTest {
    private static final int LAYERS = 3;

    private static DecoderModel student(String preset, String keepSoftmax) throws IOException {
        DecoderModel model = Tiny.student(LAYERS, Tiny.method(preset, keepSoftmax));
        TinyModels.disturb(model);
        return model;
    }

    private static void requireGradients(AttentionTransfer transfer) {
        transfer.groups()
                .forEach(
                        group ->
                                group.parameters()
                                        .values()
                                        .forEach(p -> p.setRequiresGradient(true)));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @DisplayName("21: the loss is the one computed by hand")
    void theLossIsTheOneComputedByHand(int rows) throws IOException {
        try (DecoderModel model = student("lolcats", "[1, 2]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, rows);
            DecoderLayer layer = model.layers().get(0);
            DecoderLayer.Projected in = layer.project(model.embed(ids));
            HandAttention hand = new HandAttention(in, model.rope(scope, 0, Tiny.LENGTH), layer, 4);
            double sum = 0;
            int count = 0;
            for (int b = 0; b < rows; b++) {
                for (int h = 0; h < 4; h++) {
                    for (int t = 0; t < Tiny.LENGTH; t++) {
                        Pair<double[], double[]> both = hand.outputs(b, h, t);
                        for (int d = 0; d < 4; d++) {
                            sum += Math.pow(both.getKey()[d] - both.getValue()[d], 2);
                            count++;
                        }
                    }
                }
            }

            double loss = transfer.loss(TrainingBatch.of(ids, ids)).total();

            assertEquals(1000 * sum / count, loss, 1e-4 * loss);
            assertEquals(loss, backward(transfer, ids));
            assertTrue(loss > 1, "there is something to compare: " + loss);
        }
    }

    private double backward(AttentionTransfer transfer, NDArray ids) {
        requireGradients(transfer);
        return transfer.backward(TrainingBatch.of(ids, ids), StepContext.first()).read().total();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    @DisplayName("21: M counts the converted layers only, at batch size 2 too")
    void theMeanIsOverTheConvertedLayers(int rows) throws IOException {
        try (DecoderModel model = student("lolcats", "[1]");
                AttentionTransfer all = new AttentionTransfer(model);
                AttentionTransfer first = new AttentionTransfer(model, 0, 1);
                AttentionTransfer third = new AttentionTransfer(model, 2, 3);
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, rows);
            double a = first.loss(TrainingBatch.of(ids, ids)).total();
            double b = third.loss(TrainingBatch.of(ids, ids)).total();

            assertEquals((a + b) / 2, all.loss(TrainingBatch.of(ids, ids)).total());
            assertTrue(Math.abs(a - b) > 1e-3 * a, "the layers differ: " + a + " " + b);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    @DisplayName("21: softmax layers are skipped, at batch size 2 too")
    void softmaxLayersAreSkipped(int rows) throws IOException {
        try (DecoderModel model = student("lolcats", "[0, 2]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                AttentionTransfer only = new AttentionTransfer(model, 1, 2);
                AttentionTransfer none = new AttentionTransfer(model, 2, 3);
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, rows);

            double loss = transfer.loss(TrainingBatch.of(ids, ids)).total();

            assertEquals(only.loss(TrainingBatch.of(ids, ids)).total(), loss);
            assertEquals(0, none.loss(TrainingBatch.of(ids, ids)).total());
            assertEquals(1, transfer.groups().size());
            assertEquals(List.of(), none.groups());
            List<Losses.Part> parts = transfer.loss(TrainingBatch.of(ids, ids)).parts();
            assertEquals(List.of("layers.1"), parts.stream().map(Losses.Part::name).toList());
            assertTrue(parts.get(0).relative() > 0);
        }
    }

    @Test
    @DisplayName("21: the loss of two rows is the mean of theirs")
    void theLossOfABatchIsTheMeanOfItsRows() throws IOException {
        try (DecoderModel model = student("lolcats", "[0]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 2);
            double a = transfer.loss(TrainingBatch.of(ids.get("0:1"), ids.get("0:1"))).total();
            double b = transfer.loss(TrainingBatch.of(ids.get("1:2"), ids.get("1:2"))).total();

            assertEquals((a + b) / 2, transfer.loss(TrainingBatch.of(ids, ids)).total(), 1e-5 * a);
            assertTrue(Math.abs(a - b) > 1e-3 * a, "the rows differ: " + a + " " + b);
        }
    }

    @Test
    @DisplayName("21: a range outside of the model is refused")
    void rangesOutsideOfTheModelAreRefused() throws IOException {
        try (DecoderModel model = student("lolcats", "[]")) {
            for (int[] range : new int[][] {{-1, 2}, {1, 1}, {0, LAYERS + 1}}) {
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new AttentionTransfer(model, range[0], range[1]));
            }
        }
    }
}
