package dev.tegu.eval.recall;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTask;
import dev.tegu.eval.MeanAndError;
import dev.tegu.eval.Metric;
import dev.tegu.eval.MqarSettings;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Multi-query associative recall: how often a model's most probable token after a key is the value
 * that the key had. Accuracy is the share over all queries; its error is that of the sequences'
 * shares.
 */
final class MqarTask implements EvalTask {
    /** A sequence in the model's ids, and where it belongs. */
    private record Made(int length, int pairs, int lead, MqarSequence sequence, int[] ids) {
        /** The value stands behind each query, filler elsewhere is not looked at. */
        int[] targets(int[] vocabulary) {
            int[] targets = ids.clone();
            for (int i = 0; i < pairs; i++) {
                targets[lead + sequence.queries().get(i) + 1] = vocabulary[sequence.value(i)];
            }
            return targets;
        }
    }

    /** A length and a number of pairs that it holds. */
    private record Cell(int length, int pairs) {}

    @Override
    public String name() {
        return "mqar";
    }

    @Override
    public String description() {
        return "values of keys that stand once more among filler (Zoology), by length and pairs";
    }

    @Override
    public boolean needsText() {
        return false;
    }

    @Override
    public void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        make(settings, vocabulary(tokenizer, settings), tokenizer, maxPositions);
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        MqarSettings mqar = settings.longContext().mqar();
        int[] vocabulary = vocabulary(input.tokenizer(), settings);
        List<Made> made =
                make(settings, vocabulary, input.tokenizer(), input.model().maxPositions());
        List<int[]> targets = made.stream().map(m -> m.targets(vocabulary)).toList();
        BatchScorer scorer = new BatchScorer(input, settings.batchSize(), name(), progress);
        List<int[]> ids = made.stream().map(Made::ids).toList();
        BatchScorer.Scored<double[]> scored =
                scorer.inBatches(
                        ids,
                        new Answers(targets),
                        batch -> ask(input, batch, made, targets),
                        (answer, index) -> {});
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < made.size(); i++) {
            samples.add(sample(i, made.get(i), scored.scores().get(i), vocabulary, input));
        }
        List<Metric> metrics = new ArrayList<>();
        metrics.add(accuracy("acc", made, scored.scores(), distance -> true));
        for (int beyond : mqar.beyond()) {
            metrics.add(
                    accuracy(
                            "acc_beyond_" + beyond,
                            made,
                            scored.scores(),
                            distance -> distance >= beyond));
        }
        long queries = made.stream().mapToLong(Made::pairs).sum();
        return new TaskResult(
                        name(),
                        1,
                        metrics,
                        cells(mqar).size() * mqar.samples(),
                        made.size(),
                        queries,
                        config(mqar, vocabulary.length, settings.seed()),
                        scored.timing())
                .withSamples(samples);
    }

    private static List<double[]> ask(
            EvalInput input, List<Integer> batch, List<Made> made, List<int[]> targets) {
        List<TokenScores> scores =
                input.model()
                        .score(
                                batch.stream().map(i -> made.get(i).ids()).toList(),
                                batch.stream().map(targets::get).toList());
        return IntStream.range(0, batch.size())
                .mapToObj(i -> answers(made.get(batch.get(i)), scores.get(i)))
                .toList();
    }

    /** 1 for each query that was answered rightly, 0 for the others. */
    private static double[] answers(Made made, TokenScores scores) {
        double[] right = new double[made.pairs()];
        for (int i = 0; i < right.length; i++) {
            right[i] = scores.greedy()[made.lead() + made.sequence().queries().get(i)] ? 1 : 0;
        }
        return right;
    }

    private record Answers(List<int[]> targets) implements BatchScorer.Kind<double[]> {
        @Override
        public String name() {
            return "mqar";
        }

        @Override
        public int[] given(int index) {
            return targets.get(index);
        }

        @Override
        public double[] numbers(double[] answer) {
            return answer;
        }

        @Override
        public double[] answer(double[] numbers) {
            return numbers;
        }
    }

    private static Metric accuracy(
            String name, List<Made> made, List<double[]> answers, IntPredicate counts) {
        double right = 0;
        long all = 0;
        List<Double> shares = new ArrayList<>();
        for (int i = 0; i < made.size(); i++) {
            MqarSequence sequence = made.get(i).sequence();
            double[] own =
                    IntStream.range(0, made.get(i).pairs())
                            .filter(query -> counts.test(sequence.distance(query)))
                            .mapToDouble(query -> 1)
                            .toArray();
            if (own.length == 0) {
                continue;
            }
            double[] answer = answers.get(i);
            double sum =
                    IntStream.range(0, answer.length)
                            .filter(query -> counts.test(sequence.distance(query)))
                            .mapToDouble(query -> answer[query])
                            .sum();
            right += sum;
            all += own.length;
            shares.add(sum / own.length);
        }
        MeanAndError error =
                MeanAndError.of(shares.stream().mapToDouble(Double::doubleValue).toArray());
        return new Metric(name, right / all, error.standardError(), true);
    }

    private Sample sample(
            int index, Made made, double[] answers, int[] vocabulary, EvalInput input) {
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("index", index);
        doc.put("input_ids", Arrays.stream(made.ids()).boxed().toList());
        doc.put(
                "queries",
                made.sequence().queries().stream().map(query -> query + made.lead()).toList());
        List<String> values =
                IntStream.range(0, made.pairs())
                        .mapToObj(
                                i ->
                                        input.tokenizer()
                                                .decode(
                                                        new int[] {
                                                            vocabulary[made.sequence().value(i)]
                                                        },
                                                        false))
                        .toList();
        Map<String, Object> tags = new LinkedHashMap<>();
        tags.put("length", made.length());
        tags.put("pairs", made.pairs());
        tags.put(
                "distances",
                IntStream.range(0, made.pairs())
                        .mapToObj(made.sequence()::distance)
                        .collect(Collectors.toList()));
        return new Sample(
                index,
                doc,
                String.join("", values),
                List.of(
                        new Sample.Request(
                                input.tokenizer().decode(made.ids(), false),
                                String.join("", values))),
                List.of(Arrays.stream(answers).mapToObj(right -> right == 1).toList()),
                Map.of("acc", Arrays.stream(answers).average().orElseThrow()),
                tags);
    }

    private static List<Cell> cells(MqarSettings mqar) {
        return mqar.lengths().stream()
                .flatMap(
                        length ->
                                mqar.pairs().stream()
                                        .filter(pairs -> 4 * pairs <= length)
                                        .map(pairs -> new Cell(length, pairs)))
                .toList();
    }

    private static List<Made> make(
            EvalSettings settings, int[] vocabulary, TextTokenizer tokenizer, int maxPositions) {
        MqarSettings mqar = settings.longContext().mqar();
        int[] bos = TokenizedProbe.bos(tokenizer);
        for (int length : mqar.lengths()) {
            if (length + bos.length > maxPositions) {
                throw new InvalidValueException(
                        "mqar.lengths",
                        length
                                + (bos.length == 0 ? "" : " and BOS")
                                + " are more than the model's "
                                + maxPositions
                                + " positions; leave that length out");
            }
        }
        List<Cell> cells = cells(mqar);
        int most = cells.stream().mapToInt(Cell::pairs).max().orElseThrow();
        if (most > vocabulary.length / 2 - 1) {
            throw new InvalidValueException(
                    "mqar.pairs",
                    most
                            + " pairs need "
                            + (2 * most + 2)
                            + " tokens for keys and values, and the vocabulary has "
                            + vocabulary.length
                            + "; lower `mqar.pairs`, or raise `mqar.vocabulary_size`");
        }
        StableRandom random = new StableRandom(settings.seed());
        List<Made> made = new ArrayList<>();
        for (int i = 0; i < settings.limited(cells.size() * mqar.samples()); i++) {
            Cell cell = cells.get(i % cells.size());
            MqarSequence sequence =
                    MqarSequence.of(
                            random.fork(i),
                            cell.length(),
                            cell.pairs(),
                            vocabulary.length,
                            mqar.powerA(),
                            mqar.filler() == MqarSettings.Filler.RANDOM);
            int[] ids =
                    IntStream.concat(
                                    IntStream.of(bos),
                                    IntStream.of(sequence.ids()).map(place -> vocabulary[place]))
                            .toArray();
            made.add(new Made(cell.length(), cell.pairs(), bos.length, sequence, ids));
        }
        for (int beyond : mqar.beyond()) {
            if (made.stream()
                    .noneMatch(
                            m ->
                                    IntStream.range(0, m.pairs())
                                            .anyMatch(q -> m.sequence().distance(q) >= beyond))) {
                throw new InvalidValueException(
                        "mqar.beyond",
                        "no query's value stands "
                                + beyond
                                + " tokens or more away; lower the distance or raise"
                                + " `mqar.lengths`");
            }
        }
        return made;
    }

    /** Ids of the tokens that stand for the numbers 0, 1, ... */
    private static int[] vocabulary(TextTokenizer tokenizer, EvalSettings settings) {
        MqarSettings mqar = settings.longContext().mqar();
        List<Integer> ids =
                mqar.vocabulary() == MqarSettings.Vocabulary.IDS
                        ? IntStream.range(0, tokenizer.vocabSize()).boxed().toList()
                        : new StableRandom(settings.seed()).shuffled(WordTokens.of(tokenizer));
        return ids.stream().limit(mqar.vocabularySize()).mapToInt(Integer::intValue).toArray();
    }

    private static Map<String, Object> config(MqarSettings mqar, int vocabulary, long seed) {
        Map<String, Object> config = new LinkedHashMap<>(ConfigBinder.toMap(mqar));
        config.put("vocabulary_size", vocabulary);
        config.put("seed", seed);
        return config;
    }
}
