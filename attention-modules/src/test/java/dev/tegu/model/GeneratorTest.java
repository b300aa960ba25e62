package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.next;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

class GeneratorTest {
    static final List<String> METHODS = TinyStudents.METHODS;

    private static Generator.Settings greedy(int tokens) {
        return new Generator.Settings(tokens, 0, 0, OptionalInt.empty());
    }

    private static int argmax(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("16: after a prompt of one token, each new token is the one pass's most probable")
    void promptOfOneToken(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method)) {
            int[] prompt = {17};
            List<Integer> tokens =
                    new Generator(model).generate(prompt, greedy(7), token -> {}).tokens();

            int[] text = prompt;
            for (int token : tokens) {
                float[] logits = part(alone(model, text), text.length - 1, text.length);
                assertEquals(argmax(logits), token, "after " + Arrays.toString(text));
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = token;
            }
            assertEquals(7, tokens.size());
        }
    }

    @Test
    @DisplayName("16: a prompt of one token is a prefill: the released code counts it twice")
    void promptOfOneTokenIsAPrefill() throws Exception {
        String spec =
                "{window: {size: 4, shape: terrace, anchor: %s}, linear_scope: outside_window}";
        try (DecoderModel reference = TinyStudents.of(String.format(spec, "reference"));
                DecoderModel end = TinyStudents.of(String.format(spec, "end"));
                DecoderState one = reference.newState();
                DecoderState other = end.newState()) {
            // the same token twice is still an average of one value
            assertEquals(
                    0,
                    TinyModels.distance(
                            next(reference, one, new int[] {17}),
                            alone(reference, new int[] {17})));
            int[] two = {17, 5};
            float[] counted = part(alone(reference, two), 1, 2);
            float[] plain = part(alone(end, two), 1, 2);
            assertTrue(TinyModels.distance(counted, plain) > 1e-3);
            next(end, other, new int[] {17});
            assertTrue(
                    TinyModels.distance(plain, next(end, other, new int[] {5})) < 1e-4,
                    "within the window a step is the whole text");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"end", "reference"})
    @DisplayName("12: blocks anchored at the end read a prompt of more than 512 tokens whole")
    void anchoredPromptsAreReadWhole(String anchor) throws Exception {
        String spec =
                "{window: {size: 5, shape: terrace, anchor: "
                        + anchor
                        + "}, linear_scope: outside_window}";
        try (DecoderModel model = TinyStudents.of(spec)) {
            int different = 0;
            for (int seed = 0; seed < 6; seed++) {
                int[] prompt = text(516 + seed, seed);
                float[] whole = part(alone(model, prompt), prompt.length - 1, prompt.length);

                List<Integer> tokens =
                        new Generator(model).generate(prompt, greedy(1), token -> {}).tokens();

                assertEquals(List.of(argmax(whole)), tokens);
                try (DecoderState state = model.newState()) {
                    next(model, state, Arrays.copyOf(prompt, 512));
                    float[] pieces =
                            next(model, state, Arrays.copyOfRange(prompt, 512, prompt.length));
                    float[] last = part(pieces, prompt.length - 513, prompt.length - 512);
                    different += TinyModels.distance(whole, last) > 1e-3 ? 1 : 0;
                }
            }
            assertTrue(different > 0, "in pieces it is another function");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"end", "reference"})
    @DisplayName("17: where blocks count from the end, ragged sequences are scored as alone")
    void anchoredSequencesAreScoredAsAlone(String anchor) throws Exception {
        String spec =
                "{window: {size: 5, shape: terrace, anchor: "
                        + anchor
                        + "}, linear_scope: outside_window}";
        List<int[]> sequences = List.of(text(19, 1), text(4, 2), text(12, 3));
        try (DecoderModel model = TinyStudents.of(spec)) {
            List<TokenScores> together = model.score(sequences);

            for (int i = 0; i < sequences.size(); i++) {
                TokenScores alone = model.score(List.of(sequences.get(i))).get(0);
                int length = sequences.get(i).length;
                assertEquals(
                        alone.logProb(1, length),
                        together.get(i).logProb(1, length),
                        1e-3,
                        "row " + i);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lolcats"})
    @DisplayName("17: prompts of more than one piece beside short ones")
    void longPromptsBesideShortOnes(String method) throws Exception {
        List<int[]> prompts = List.of(text(1, 1), text(1027, 2), text(514, 3));
        try (DecoderModel model = TinyStudents.of(method)) {
            Generator generator = new Generator(model);

            List<Generator.Generated> together = generator.generate(prompts, greedy(5));

            for (int i = 0; i < prompts.size(); i++) {
                assertEquals(
                        generator.generate(prompts.get(i), greedy(5), t -> {}).tokens(),
                        together.get(i).tokens(),
                        "prompt " + i);
            }
        }
    }

    @Test
    void promptsWithoutTokensAreRefused() throws Exception {
        try (DecoderModel model = TinyStudents.of("teacher")) {
            Generator generator = new Generator(model);

            assertThrows(
                    IllegalArgumentException.class,
                    () -> generator.generate(List.of(text(3, 1), new int[0]), greedy(1)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lolcats"})
    @DisplayName("rows of a batch end by their own rule, and each is its prompt's alone")
    void rowsEndByTheRule(String method) throws Exception {
        List<int[]> prompts = List.of(text(3, 1), text(17, 2), text(9, 3));
        try (DecoderModel model = TinyStudents.of(method)) {
            List<int[]> whole = model.generate(prompts, 9, StopRule.NEVER);
            int third = whole.get(1)[2];
            StopRule rule = StopRule.at(third);

            List<int[]> ended = model.generate(prompts, 9, rule);

            assertTrue(ended.get(1).length <= 3, "ends after the token");
            for (int i = 0; i < prompts.size(); i++) {
                int[] alone = model.generate(List.of(prompts.get(i)), 9, rule).get(0);
                assertArrayEquals(alone, ended.get(i), "prompt " + i);
                assertArrayEquals(Arrays.copyOf(whole.get(i), alone.length), alone);
                boolean isEnd = alone[alone.length - 1] == third;
                assertTrue(isEnd || alone.length == 9, "prompt " + i);
            }
            assertArrayEquals(new int[0], model.generate(prompts, 0, rule).get(2));
            assertEquals(List.of(), model.generate(List.of(), 4, rule));
        }
    }
}
