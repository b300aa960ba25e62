package dev.tegu.eval.analysis;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.probe.NeedleDocuments;
import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The tokens that an analysis reads.
 *
 * @param names of the texts
 * @param context tokens of a sequence
 * @param hasBos whether each begins with the mark of a beginning
 * @param sequences token ids, all equally long, at least one
 * @param needles documents with a needle, possibly none
 */
record AnalysisTexts(
        List<String> names,
        int context,
        boolean hasBos,
        List<int[]> sequences,
        List<Needle> needles) {
    /** Steps of the golden ratio cover 0 to 1 evenly however many are taken. */
    private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;

    /** Copies the lists. */
    AnalysisTexts {
        names = List.copyOf(names);
        sequences = List.copyOf(sequences);
        needles = List.copyOf(needles);
    }

    /**
     * A document whose end repeats some of its tokens.
     *
     * @param ids the document; its last tokens are the answer
     * @param from first token of the answer, 1 or more
     * @param source where the tokens of the answer stand in the needle, the first of them, before
     *     the answer
     */
    record Needle(int[] ids, int from, int source) {
        /** Tokens of the answer. */
        int length() {
            return ids.length - from;
        }

        /** Whether the answer's tokens are those of the needle, one by one. */
        boolean isWhole() {
            return source >= 0
                    && Arrays.equals(ids, source, source + length(), ids, from, ids.length);
        }

        /**
         * Whether the place is one of the answer's tokens in the needle, and the token the same.
         */
        boolean isCopied(int step, int place) {
            return place >= source && place < source + length() && ids[place] == ids[from + step];
        }

        /** The tokens at which the answer's are predicted. */
        long[] queries() {
            return IntStream.range(from - 1, ids.length - 1).asLongStream().toArray();
        }

        /** The place of each of the answer's tokens in the needle. */
        long[] places() {
            return IntStream.range(source, source + length()).asLongStream().toArray();
        }
    }

    /**
     * Cuts texts into sequences, the first ones of each, and hides needles. A document whose number
     * has other tokens in the needle than in the answer is left out.
     *
     * @param maxPositions tokens that both models take
     * @throws InvalidValueException if there is no text, or none that a sequence or a needle can be
     *     made of
     */
    static AnalysisTexts of(
            TextTokenizer tokenizer, EvalData data, AnalysisSettings settings, int maxPositions) {
        int context = Math.min(settings.context(), maxPositions);
        int[] bos = TokenizedProbe.bos(tokenizer);
        List<int[]> sequences = new ArrayList<>();
        int[] longest = new int[0];
        for (NamedText text : data.texts()) {
            int[] ids = tokenizer.encode(text.text(), false);
            int step = Math.max(1, context - bos.length);
            for (int from = 0; from < ids.length; from += step) {
                int[] sequence = join(bos, ids, from, Math.min(ids.length, from + step));
                longest = sequence.length > longest.length ? sequence : longest;
                if (sequence.length == context && sequences.size() < settings.limit()) {
                    sequences.add(sequence);
                }
            }
        }
        if (sequences.isEmpty()) {
            // shorter than one sequence: better a short one than none
            sequences.add(longest);
        }
        if (longest.length < 2) {
            throw new InvalidValueException(
                    "data", "expected a text of two tokens or more, found none; give a text file");
        }
        return new AnalysisTexts(
                data.texts().stream().map(NamedText::name).toList(),
                sequences.get(0).length,
                bos.length > 0,
                sequences,
                needles(tokenizer, data, settings, maxPositions));
    }

    private static int[] join(int[] bos, int[] ids, int from, int to) {
        int[] sequence = new int[bos.length + to - from];
        System.arraycopy(bos, 0, sequence, 0, bos.length);
        System.arraycopy(ids, from, sequence, bos.length, to - from);
        return sequence;
    }

    private static List<Needle> needles(
            TextTokenizer tokenizer, EvalData data, AnalysisSettings settings, int maxPositions) {
        List<Needle> needles = new ArrayList<>();
        if (settings.needles() == 0) {
            return needles;
        }
        NeedleDocuments source =
                new NeedleDocuments(
                        String.join("\n", data.texts().stream().map(NamedText::text).toList()));
        StableRandom random = new StableRandom(settings.seed());
        for (int i = 0; i < settings.needles(); i++) {
            ProbeDocument document;
            try {
                double depth = (0.5 + i * GOLDEN) % 1;
                document = source.generate(random.fork(i), settings.characters(), depth);
            } catch (IllegalArgumentException e) {
                throw new InvalidValueException(
                        "characters", e.getMessage() + ", or for no needles");
            }
            Needle needle = needle(TokenizedProbe.of(tokenizer, document), settings, maxPositions);
            if (needle.isWhole()) {
                needles.add(needle);
            }
        }
        return needles;
    }

    private static Needle needle(
            TokenizedProbe probe, AnalysisSettings settings, int maxPositions) {
        if (probe.ids().length > maxPositions) {
            throw new InvalidValueException(
                    "characters",
                    "with "
                            + settings.characters()
                            + " a document with a needle has "
                            + probe.ids().length
                            + " tokens and the models take "
                            + maxPositions
                            + "; ask for fewer characters, or for no needles");
        }
        TokenizedProbe.Span answer = probe.answers().get(0);
        int end = answer.from() - answer.distance();
        return new Needle(probe.ids(), answer.from(), end - (answer.to() - answer.from()));
    }
}
