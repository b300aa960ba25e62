package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.tegu.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Teachers of every family against logits and hidden states that transformers computed. */
class FamiliesTest {
    static Stream<String> names() {
        return Stream.concat(Families.OWN.stream(), Families.SHARED.stream());
    }

    @ParameterizedTest
    @MethodSource("names")
    void logitsAndHiddenStatesAreThoseOfTransformers(String name, @TempDir Path dir)
            throws IOException {
        Path path = Families.path(name, dir);
        Path found = dir.resolve("found.safetensors");
        try (DecoderModel model = DecoderModel.load(path, Device.cpu())) {
            LogitsProbe.run(model, path.resolve("expected.safetensors"), found);
        }
        try (SafetensorsFile expected = SafetensorsFile.open(path.resolve("expected.safetensors"));
                SafetensorsFile ours = SafetensorsFile.open(found)) {
            for (String tensor : ours.tensors().keySet()) {
                double off =
                        TinyModels.distance(
                                Families.floats(expected, tensor), Families.floats(ours, tensor));
                assertTrue(off <= 1e-4, tensor + " is off by " + off);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void greedyTextIsThatOfTransformers(String name, @TempDir Path dir) throws IOException {
        Path path = Families.path(name, dir);
        try (DecoderModel model = DecoderModel.load(path, Device.cpu());
                SafetensorsFile expected =
                        SafetensorsFile.open(path.resolve("expected.safetensors"))) {
            int[] greedy = ints(Families.longs(expected, "greedy_ids"));
            int[] prompt;
            int[] rest;
            if (Families.OWN.contains(name)) {
                int[] ids = ints(Families.longs(expected, "input_ids"));
                prompt = Arrays.copyOf(ids, ids.length / 2);
                rest = greedy;
            } else {
                prompt = Arrays.copyOf(greedy, 8);
                rest = Arrays.copyOfRange(greedy, 8, greedy.length);
            }
            Generator.Settings settings =
                    new Generator.Settings(rest.length, 0, 0, OptionalInt.empty());

            List<Integer> tokens =
                    new Generator(model).generate(prompt, settings, token -> {}).tokens();
            List<Generator.Generated> burst =
                    new Generator(model).generate(List.of(prompt), settings);

            assertEquals(Arrays.stream(rest).boxed().toList(), tokens);
            assertEquals(tokens, burst.get(0).tokens());
        }
    }

    private static int[] ints(long[] values) {
        return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
    }
}
