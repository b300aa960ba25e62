package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.SharedFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IncrementalDecoderTest {

    @TempDir Path dir;

    private List<String> pieces(int[] context, int... ids) throws IOException {
        TinyTokenizer.write(dir);
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(dir)) {
            IncrementalDecoder decoder = new IncrementalDecoder(tokenizer, context, true);
            List<String> pieces = new ArrayList<>();
            for (int id : ids) {
                pieces.add(decoder.add(id));
            }
            pieces.add(decoder.finish());
            return pieces;
        }
    }

    @Test
    void spacesComeWithTheWordsThatFollowThem() throws IOException {
        assertEquals(List.of("a", " b", " ", " a", ""), pieces(new int[0], 10, 11, 7, 10));
    }

    @Test
    void firstPieceAfterAPromptKeepsItsSpace() throws IOException {
        assertEquals(List.of(" b", "a", ""), pieces(new int[] {1, 10}, 11, 8));
        assertEquals(List.of(" b", ""), pieces(new int[] {7}, 11).subList(0, 2));
    }

    @Test
    void characterOfSeveralTokensIsHeldBackUntilItIsWhole() throws IOException {
        assertEquals(
                List.of("a", "", "", "", "\uD83D\uDE00", "b", ""),
                pieces(new int[0], 10, 3, 4, 5, 6, 9));
    }

    @Test
    void unfinishedCharacterIsGivenOutAtTheEnd() throws IOException {
        assertEquals(List.of("a", "", "", "\uFFFD\uFFFD"), pieces(new int[0], 10, 3, 4));
    }

    @Test
    void marksAreNoText() throws IOException {
        assertEquals(List.of("a", "", "b", ""), pieces(new int[0], 10, 2, 9));
    }

    @Test
    void brokenBytesAreNotHeldBackForEver() throws IOException {
        int[] continuationBytes = new int[100];
        Arrays.fill(continuationBytes, 4);

        List<String> pieces = pieces(new int[] {10}, continuationBytes);

        assertFalse(String.join("", pieces.subList(0, 50)).isEmpty());
        assertEquals("\uFFFD".repeat(100), String.join("", pieces));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "models/teacher-14m",
                "models/stories260K-hf",
                "tokenizers/gpt2",
                "tokenizers/mistral-v1"
            })
    void piecesTogetherAreTheWholeText(String folder) throws IOException {
        String text = "Héllo  wörld \uD83D\uDE00\uD83D\uDC4D\uD83C\uDFFD!\n\n  日本語 and 한국어, a\tb ";
        Path model = SharedFiles.path(folder);
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(model)) {
            int[] ids = tokenizer.encode(text, true);
            IncrementalDecoder decoder = new IncrementalDecoder(tokenizer, new int[0], true);
            StringBuilder all = new StringBuilder();
            for (int id : ids) {
                String piece = decoder.add(id);
                assertFalse(piece.contains("\uFFFD"), "broken piece after " + all);
                all.append(piece);
            }
            all.append(decoder.finish());

            assertEquals(tokenizer.decode(ids, true), all.toString());
            assertTrue(all.toString().contains("日本語"));
        }
    }
}
