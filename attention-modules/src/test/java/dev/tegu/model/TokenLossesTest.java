package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.model.TokenLosses.Factors;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The losses in blocks against the plain form: all logits at once, differentiated by autograd. */
class TokenLossesTest {
    private static final int ROWS = 2;
    private static final int LENGTH = 11;

    /** Values and gradients of one way to compute the loss; hidden states and head were leaves. */
    private record Outcome(double ce, double kl, float[] ofHidden, float[] ofHead) {}

    private static NDArray states(NDManager owner, int phase) {
        NDArray states = owner.zeros(new Shape(ROWS, LENGTH, 16));
        TinyModels.add(states, 1.5, phase);
        return states;
    }

    /** Every third token is not learnt, nor is the whole end of the second row. */
    private static NDArray labels(NDManager owner) {
        long[] labels = new long[ROWS * LENGTH];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = i % 3 == 1 || i > 17 ? -100 : (5L * i * i + 1) % 40;
        }
        return owner.create(labels, new Shape(ROWS, LENGTH));
    }

    private static Outcome inBlocks(DecoderModel model, Factors factors, int rows, float scale) {
        TokenLosses losses = new TokenLosses(model, factors, rows);
        NDArray head = model.ends().get(2);
        head.setRequiresGradient(true);
        try (NDManager scope = model.manager().newSubManager()) {
            NDArray hidden = states(scope, 1);
            hidden.setRequiresGradient(true);
            TokenLosses.Found found;
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                NDArray normed = model.normed(hidden);
                found =
                        losses.gradients(
                                normed,
                                labels(scope),
                                Optional.of(model.normed(states(scope, 2))),
                                scale);
                collector.backward(losses.backwardFrom(normed, found));
            }
            float[] means = found.means().toFloatArray();
            return new Outcome(means[0], means[1], taken(hidden), taken(head));
        }
    }

    private static float[] taken(NDArray leaf) {
        try (NDArray gradient = leaf.getGradient()) {
            float[] values = gradient.toFloatArray();
            gradient.subi(gradient);
            return values;
        }
    }

    private static Outcome plain(DecoderModel model, Factors factors) {
        NDArray head = model.ends().get(2);
        head.setRequiresGradient(true);
        try (NDManager scope = model.manager().newSubManager()) {
            NDArray hidden = states(scope, 1);
            NDArray teacher = model.logits(states(scope, 2));
            hidden.setRequiresGradient(true);
            NDArray ce;
            NDArray kl;
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                ce = model.crossEntropy(hidden, labels(scope));
                NDArray t = scope.create((float) factors.temperature());
                NDArray p = teacher.div(t).softmax(-1);
                NDArray off =
                        p.mul(p.log().sub(model.logits(hidden).div(t).logSoftmax(-1)))
                                .sum(new int[] {2})
                                .get(":,:" + (LENGTH - 1));
                NDArray learnt =
                        labels(scope).get(":,1:").neq(-100).toType(off.getDataType(), false);
                kl = off.mul(learnt).sum().div(learnt.sum());
                float k = (float) (factors.kl() * factors.temperature() * factors.temperature());
                collector.backward(
                        ce.mul(scope.create((float) factors.crossEntropy()))
                                .add(kl.mul(scope.create(k))));
            }
            return new Outcome(ce.getFloat(), kl.getFloat(), taken(hidden), taken(head));
        }
    }

    private static void assertClose(float[] expected, float[] found) {
        double largest = TinyModels.distance(expected, new float[expected.length]);
        assertTrue(largest > 0);
        double off = TinyModels.distance(expected, found);
        assertTrue(off <= 2e-6 * largest, off + " of " + largest);
    }

    @ParameterizedTest(name = "ce {0} kl {1} temperature {2}, blocks of {3}")
    @CsvSource({
        "1, 0, 1, 1000",
        "1, 0, 1, 7",
        "0, 1, 1, 1",
        "0, 2, 3, 20",
        "0.5, 0.25, 2, 7",
        "0.5, 0.25, 0.5, 6"
    })
    void blocksGiveThePlainLossAndGradients(double ce, double kl, double temperature, int rows)
            throws IOException {
        Factors factors = new Factors(ce, kl, temperature);
        try (DecoderModel model = TinyModels.random(TinyModels.config(false), 3)) {
            Outcome expected = plain(model, factors);

            Outcome found = inBlocks(model, factors, rows, 1);

            assertEquals(expected.ce(), found.ce(), 1e-6 * expected.ce());
            assertEquals(expected.kl(), found.kl(), 1e-6 * expected.kl() + 1e-7);
            assertClose(expected.ofHidden(), found.ofHidden());
            assertClose(expected.ofHead(), found.ofHead());
            assertEquals(
                    ce * expected.ce() + kl * temperature * temperature * expected.kl(),
                    factors.total(found.ce(), found.kl()),
                    1e-5);
        }
    }

    @Test
    void theLossScaleScalesTheGradientsAlone() throws IOException {
        Factors factors = new Factors(1, 1, 1);
        try (DecoderModel model = TinyModels.random(TinyModels.config(false), 3)) {
            Outcome one = inBlocks(model, factors, 100, 1);
            Outcome many = inBlocks(model, factors, 100, 1024);

            assertEquals(one.ce(), many.ce());
            for (int i = 0; i < one.ofHidden().length; i++) {
                assertEquals(1024 * one.ofHidden()[i], many.ofHidden()[i]);
            }
        }
    }

    @Test
    void measuringGivesTheSameMeansWithoutGradients() throws IOException {
        try (DecoderModel model = TinyModels.random(TinyModels.config(true), 3);
                NDManager scope = model.manager().newSubManager()) {
            TokenLosses losses = new TokenLosses(model, Factors.CROSS_ENTROPY);
            NDArray normed = model.normed(states(scope, 1));

            TokenLosses.Found found = losses.gradients(normed, labels(scope), Optional.empty(), 1);

            assertEquals(found.means(), losses.means(normed, labels(scope), Optional.empty()));
            assertEquals(0, found.means().toFloatArray()[1]);
            assertEquals(Optional.empty(), found.headGradient(), "the head is frozen");
        }
    }

    @Test
    void oneNumberThatIsNotFiniteIsFound() throws IOException {
        try (DecoderModel model = TinyModels.random(TinyModels.config(true), 3);
                NDManager scope = model.manager().newSubManager()) {
            TokenLosses losses = new TokenLosses(model, Factors.CROSS_ENTROPY);

            assertTrue(losses.isFinite(scope.create(new float[] {1, 2, 3})));
            assertFalse(losses.isFinite(scope.create(new float[] {1, Float.NaN, 3})));
            assertFalse(losses.isFinite(scope.create(new float[] {1, Float.NEGATIVE_INFINITY, 3})));
        }
    }
}
