package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Documents of one sequence train a model as each would alone, where the settings ask for it. */
final class PackedDocumentsTest {
    /** With BOS and EOS 20 tokens, two of them in the first sequence of 20. */
    private static final List<String> TEXTS = List.of("the cat", "on a red");

    private static final int LENGTH = 19;

    @TempDir Path dir;

    private PackedDataset data(boolean masks) throws IOException {
        List<String> lines = TEXTS.stream().map(text -> "{\"text\": \"" + text + "\"}").toList();
        Path file = Files.write(dir.resolve("a.jsonl"), lines);
        return Packed.load(file, LENGTH, masks);
    }

    /** The two documents as the tokenizer has them, BOS first and EOS last. */
    private static List<long[]> documents() {
        List<long[]> documents = new ArrayList<>();
        for (String text : TEXTS) {
            documents.add(
                    IntStream.concat(
                                    IntStream.concat(IntStream.of(1), text.chars()),
                                    IntStream.of(2))
                            .asLongStream()
                            .toArray());
        }
        return documents;
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lolcats", "lizard"})
    void eachDocumentHasTheLogitsThatItHasAlone(String method) throws IOException {
        try (DecoderModel model = model(method);
                NDManager scope = model.manager().newSubManager()) {
            TrainingBatch batch = Tiny.batch(scope, data(true), new int[] {0});
            float[] packed = model.logits(model.forward(batch.tokens())).toFloatArray();

            int at = 0;
            for (long[] document : documents()) {
                float[] alone = logits(model, scope, document);
                float[] part = Arrays.copyOfRange(packed, at, at + alone.length);
                assertClose(alone, part);
                at += alone.length;
            }
            assertEquals(packed.length, at);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lolcats", "lizard"})
    void withoutMasksTheSecondDocumentSeesTheFirst(String method) throws IOException {
        try (DecoderModel model = model(method);
                NDManager scope = model.manager().newSubManager()) {
            TrainingBatch batch = Tiny.batch(scope, data(false), new int[] {0});
            assertTrue(batch.documents().isEmpty());
            float[] packed = model.logits(model.forward(batch.tokens())).toFloatArray();
            float[] alone = logits(model, scope, documents().get(1));

            float[] part = Arrays.copyOfRange(packed, packed.length - alone.length, packed.length);

            double largest = 0;
            for (int i = 0; i < part.length; i++) {
                largest = Math.max(largest, Math.abs(part[i] - alone[i]));
            }
            assertTrue(largest > 1e-3, "the logits differ by no more than " + largest);
        }
    }

    @Test
    void theLossIsTheMeanOverTheTokensOfBothDocuments() throws IOException {
        try (DecoderModel model = model("lizard");
                NDManager scope = model.manager().newSubManager()) {
            NextToken objective = new NextToken("test", model, Map.of(), 0);
            double sum = 0;
            int learnt = 0;
            for (long[] document : documents()) {
                NDArray ids = scope.create(document, new Shape(1, document.length));
                sum += objective.loss(TrainingBatch.of(ids, ids)).total() * (document.length - 1);
                learnt += document.length - 1;
            }

            double packed = objective.loss(Tiny.batch(scope, data(true), new int[] {0})).total();

            assertEquals(sum / learnt, packed, 1e-5);
            double open = objective.loss(Tiny.batch(scope, data(false), new int[] {0})).total();
            assertTrue(Math.abs(open - packed) > 1e-4, open + " and " + packed);
        }
    }

    @Test
    void attentionTransferKeepsDocumentsApartToo() throws IOException {
        try (DecoderModel model = model("lizard");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            double sum = 0;
            for (long[] document : documents()) {
                NDArray ids = scope.create(document, new Shape(1, document.length));
                sum += transfer.loss(TrainingBatch.of(ids, ids)).total() * document.length;
            }

            double packed = transfer.loss(Tiny.batch(scope, data(true), new int[] {0})).total();

            assertEquals(sum / LENGTH, packed, 1e-5 * Math.abs(sum));
        }
    }

    private static DecoderModel model(String method) throws IOException {
        return method.equals("teacher") ? Tiny.base(2) : Tiny.student(2, Tiny.method(method, "[]"));
    }

    private static float[] logits(DecoderModel model, NDManager scope, long[] document) {
        NDArray ids = scope.create(document, new Shape(1, document.length));
        return model.logits(model.forward(TrainingBatch.of(ids, ids).tokens())).toFloatArray();
    }

    private static void assertClose(float[] expected, float[] found) {
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], 1e-4f, "number " + i);
        }
    }
}
