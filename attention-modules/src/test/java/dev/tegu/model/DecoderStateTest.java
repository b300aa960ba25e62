package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.next;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.CheckpointException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** A state can be copied, reordered, written and, at first, taken back. */
class DecoderStateTest {
    /** Linear layers, softmax layers, and both. */
    static final List<String> METHODS =
            List.of(
                    "teacher",
                    "hedgehog",
                    "lolcats-terrace",
                    "lizard",
                    "liger",
                    "window-sinks",
                    "no-attention",
                    "{window: {size: 4}, linear_scope: outside_window, keep_softmax: [0]}");

    /** Two rows of 9 and 6 tokens, in pieces. */
    private static DecoderState ragged(DecoderModel model) {
        int[] shorter = text(6, 2);
        DecoderState state = model.newState();
        next(model, state, text(4, 1), new int[] {-1, -1, -1, shorter[0]});
        next(model, state, Arrays.copyOfRange(text(9, 1), 4, 9), Arrays.copyOfRange(shorter, 1, 6));
        return state;
    }

    private static DecoderState equal(DecoderModel model) {
        DecoderState state = model.newState();
        next(model, state, text(9, 1), text(9, 2));
        return state;
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName(
            "15: a copy goes on by itself; selected rows go on as those rows, as often as named")
    void copiesAndSelectedRows(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method)) {
            for (boolean isRagged : new boolean[] {false, true}) {
                try (DecoderState state = isRagged ? ragged(model) : equal(model);
                        DecoderState copy = state.copy();
                        DecoderState beams = state.select(1, 1, 0)) {
                    float[] expected = next(model, state, new int[] {3, 1}, new int[] {5, 2});

                    float[] ofCopy = next(model, copy, new int[] {3, 1}, new int[] {5, 2});
                    float[] ofBeams =
                            next(
                                    model,
                                    beams,
                                    new int[] {5, 2},
                                    new int[] {7, 2},
                                    new int[] {3, 1});

                    assertArrayEquals(expected, ofCopy);
                    assertArrayEquals(state.lengths(), copy.lengths());
                    assertArrayEquals(part(expected, 2, 4), part(ofBeams, 0, 2), 1e-5f);
                    assertArrayEquals(part(expected, 0, 2), part(ofBeams, 4, 6), 1e-5f);
                    assertEquals(state.lengths()[1], beams.lengths()[0]);
                    assertEquals(state.sizeBytes() * 3 / 2, beams.sizeBytes());
                }
            }
        }
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("15: a saved state is read back to the bit and goes on with the same bits")
    void savedStatesAreTheSameBits(String method, @TempDir Path dir) throws Exception {
        Path file = dir.resolve("state.safetensors");
        try (DecoderModel model = TinyStudents.of(method)) {
            for (boolean isRagged : new boolean[] {false, true}) {
                try (DecoderState state = isRagged ? ragged(model) : equal(model)) {
                    state.save(file);
                    byte[] bytes = Files.readAllBytes(file);

                    try (DecoderState loaded = DecoderState.load(file, model)) {
                        assertArrayEquals(state.lengths(), loaded.lengths());
                        assertEquals(state.sizeBytes(), loaded.sizeBytes());
                        loaded.save(file);
                        assertArrayEquals(bytes, Files.readAllBytes(file));
                        int[][] more = {{3, 1, 4}, {5, 9, 2}};
                        assertArrayEquals(next(model, state, more), next(model, loaded, more));
                    }
                }
            }
            try (var files = Files.list(dir)) {
                assertEquals(List.of(file), files.toList());
            }
        }
    }

    @Test
    @DisplayName("15: another model's state is refused by name")
    void anotherModelsStateIsRefused(@TempDir Path dir) throws Exception {
        Path file = dir.resolve("state.safetensors");
        try (DecoderModel lolcats = TinyStudents.of("lolcats");
                DecoderModel wider =
                        TinyStudents.of(
                                "{window: {size: 5}, linear_scope: outside_window,"
                                        + " combine: {window_factor_start: 0.1}}");
                DecoderModel teacher = TinyStudents.of("teacher");
                DecoderModel shallow =
                        TinyStudents.of(
                                "lolcats", TinyModels.config(false).put("num_hidden_layers", 2));
                DecoderState state = equal(lolcats)) {
            state.save(file);

            assertRefused(file, wider, "`linear_attention` is {");
            assertRefused(file, teacher, " there, none here; load it with the model that saved it");
            assertRefused(file, shallow, "`num_hidden_layers` is 3 there, 2 here");
            assertThrows(
                    IllegalArgumentException.class,
                    () -> next(wider, state, new int[] {1}, new int[] {1}));
            assertThrows(IllegalArgumentException.class, () -> next(lolcats, state, new int[] {1}));
        }
        Path other = dir.resolve("model");
        TinyModels.teacher(other, false, dev.tegu.checkpoint.DType.F32);
        try (DecoderModel teacher = TinyStudents.of("teacher")) {
            assertRefused(other.resolve("model.safetensors"), teacher, "not the state of a model");
        }
    }

    private static void assertRefused(Path file, DecoderModel model, String message) {
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> DecoderState.load(file, model));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("15: tokens are forgotten while none has left the window, afterwards refused")
    void forgetting(String method) throws Exception {
        boolean growsOnly = method.equals("teacher");
        boolean keeps = growsOnly || method.contains("window");
        int[] text = text(12, 1);
        try (DecoderModel model = TinyStudents.of(method);
                DecoderState state = model.newState()) {
            next(model, state, new int[] {text[0], text[1], 30, 31});
            if (keeps || method.equals("lolcats-terrace")) {
                try (DecoderState back = state.forget(2)) {
                    assertArrayEquals(new long[] {2}, back.lengths());
                    float[] found = next(model, back, Arrays.copyOfRange(text, 2, 12));
                    float[] expected = part(alone(model, text), 2, 12);
                    double off = TinyModels.distance(expected, found);
                    assertTrue(off < 1e-4, "off by " + off);
                }
                assertThrows(IllegalArgumentException.class, () -> state.forget(5));
            }
            // past every window
            next(model, state, text);
            if (!growsOnly) {
                IllegalStateException e =
                        assertThrows(IllegalStateException.class, () -> state.forget(1));
                assertTrue(e.getMessage().startsWith("layer "), e.getMessage());
                assertTrue(e.getMessage().contains("become part of sums"), e.getMessage());
            }
        }
    }

    @Test
    @DisplayName("15: rows that differ forget their own last tokens")
    void raggedRowsForget() throws Exception {
        try (DecoderModel model = TinyStudents.of("teacher");
                DecoderState state = ragged(model);
                DecoderState back = state.forget(3)) {
            assertArrayEquals(new long[] {6, 3}, back.lengths());

            float[] found = next(model, back, new int[] {1, 2}, new int[] {3, 4});

            int[] first = Arrays.copyOf(text(9, 1), 8);
            first[6] = 1;
            first[7] = 2;
            int[] second = Arrays.copyOf(text(6, 2), 5);
            second[3] = 3;
            second[4] = 4;
            assertArrayEquals(part(alone(model, first), 6, 8), part(found, 0, 2), 1e-4f);
            assertArrayEquals(part(alone(model, second), 3, 5), part(found, 2, 4), 1e-4f);
        }
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("15: two prompts in turn, with one generator, share nothing")
    void promptsInTurnShareNothing(String method) throws Exception {
        Generator.Settings settings = new Generator.Settings(8, 0, 0, OptionalInt.empty());
        try (DecoderModel model = TinyStudents.of(method);
                DecoderModel fresh = TinyStudents.of(method)) {
            Generator generator = new Generator(model);
            generator.generate(text(17, 5), settings, t -> {});

            List<Integer> second = generator.generate(text(6, 6), settings, t -> {}).tokens();

            assertEquals(
                    new Generator(fresh).generate(text(6, 6), settings, t -> {}).tokens(), second);
        }
    }
}
