package dev.tegu.eval.corpus;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tegu.eval.probe.InventedWords;
import dev.tegu.eval.probe.NeedleDocuments;
import dev.tegu.eval.probe.RecallDocuments;
import dev.tegu.eval.probe.StableRandom;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The demo corpus: {@linkplain StatementDocuments statements} about a {@linkplain World small
 * world}, {@linkplain RecallDocuments records} with up to 16 questions, and {@linkplain
 * NeedleDocuments needles} in statements. The same settings give the same documents on every
 * machine. Training, validation and held-out text share the world but no random stream, and no
 * statement document of the held-out text is one of training.
 */
public final class DemoCorpus {
    /** File of {@link #write}: training documents, one {@code {"text": ...}} a line. */
    public static final String TRAIN = "train.jsonl";

    /** File of {@link #write}: validation documents, one {@code {"text": ...}} a line. */
    public static final String VALIDATION = "validation.jsonl";

    /** File of {@link #write}: statements alone, for perplexity and haystacks. */
    public static final String HELDOUT = "heldout.txt";

    /** Enough to count words; all documents would only take longer. */
    private static final int TOKENIZER_DOCUMENTS = 20_000;

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final CorpusSettings settings;
    private final StatementDocuments statements;
    private final StableRandom trainStream;
    private final StableRandom validationStream;
    private final StableRandom heldoutStream;

    /** The corpus of those settings; makes nothing yet. */
    public DemoCorpus(CorpusSettings settings) {
        this.settings = settings;
        StableRandom root = new StableRandom(settings.seed());
        StableRandom worldRoot = new StableRandom(settings.worldSeed().orElse(settings.seed()));
        statements = new StatementDocuments(World.of(worldRoot.fork(0)));
        trainStream = root.fork(1);
        validationStream = root.fork(2);
        heldoutStream = root.fork(3);
    }

    /** The training documents, made as they are read, without marks for their begin and end. */
    public Stream<String> train() {
        return documents(trainStream, settings.trainDocuments());
    }

    /** The validation documents, without marks. */
    public Stream<String> validation() {
        return documents(validationStream, settings.validationDocuments());
    }

    /**
     * A tokenizer for these documents, which cuts every invented word into its syllables, the same
     * ones at the start of a line and after a space: a key that is cut in two ways is two keys to a
     * small model.
     *
     * @param vocabSize most token ids
     */
    public BpeVocabulary tokenizer(int vocabSize) {
        List<String> first = new ArrayList<>(InventedWords.syllables());
        InventedWords.syllables().forEach(syllable -> first.add(" " + syllable));
        return BpeTrainer.train(train().limit(TOKENIZER_DOCUMENTS), vocabSize, first);
    }

    /** Statements alone, a paragraph a line, each line ended by a newline. */
    public String heldout() {
        Set<Long> known = new HashSet<>();
        if (settings.statementParts() > 0) {
            train().forEach(document -> known.add(digest(document)));
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; text.length() < settings.heldoutCharacters(); i++) {
            String document = statements.generate(heldoutStream.fork(i));
            if (!known.contains(digest(document))) {
                text.append(document).append('\n');
            }
        }
        return text.toString();
    }

    /** Equal for equal texts, and for others so seldom that a document is left out for nothing. */
    private static long digest(String text) {
        long digest = 0;
        for (int i = 0; i < text.length(); i++) {
            // An odd factor far from small powers of two spreads every character over all bits.
            digest = (digest + text.charAt(i)) * 0x9E3779B97F4A7C15L;
            digest ^= digest >>> 32;
        }
        return digest;
    }

    /**
     * Writes {@value #TRAIN}, {@value #VALIDATION} and {@value #HELDOUT}, each under a temporary
     * name first, and replaces those that are there. UTF-8, lines end with a single newline.
     *
     * @param directory made if it does not exist
     * @throws IOException if a file cannot be written
     */
    public void write(Path directory) throws IOException {
        Files.createDirectories(directory);
        writeJsonLines(directory.resolve(TRAIN), train());
        writeJsonLines(directory.resolve(VALIDATION), validation());
        Path partial = directory.resolve(HELDOUT + ".partial");
        Files.writeString(partial, heldout());
        Files.move(partial, directory.resolve(HELDOUT), StandardCopyOption.REPLACE_EXISTING);
    }

    private Stream<String> documents(StableRandom stream, int count) {
        return IntStream.range(0, count).mapToObj(i -> document(stream.fork(i)));
    }

    private String document(StableRandom random) {
        int statementParts = settings.statementParts();
        int recallParts = settings.recallParts();
        int kind = random.nextInt(statementParts + recallParts + settings.needleParts());
        if (kind < statementParts) {
            return statements.generate(random);
        }
        return kind < statementParts + recallParts ? recall(random) : needle(random);
    }

    private String recall(StableRandom random) {
        int records = random.between(settings.minRecords(), settings.maxRecords());
        int most = Math.min(CorpusSettings.MOST_QUESTIONS, records);
        int questions = random.between(Math.min(settings.minQuestions(), most), most);
        return RecallDocuments.generate(random, records, questions).text();
    }

    private String needle(StableRandom random) {
        int characters =
                random.between(settings.minNeedleCharacters(), settings.maxNeedleCharacters());
        StringBuilder haystack = new StringBuilder(statements.generate(random));
        while (haystack.length() < 2 * characters) {
            haystack.append('\n').append(statements.generate(random));
        }
        double depth = random.nextInt(1_001) / 1_000.0;
        return new NeedleDocuments(haystack.toString()).generate(random, characters, depth).text();
    }

    private static void writeJsonLines(Path file, Stream<String> texts) throws IOException {
        Path partial = file.resolveSibling(file.getFileName() + ".partial");
        try (BufferedWriter out = Files.newBufferedWriter(partial)) {
            for (Iterator<String> it = texts.iterator(); it.hasNext(); ) {
                out.write(MAPPER.writeValueAsString(Map.of("text", it.next())));
                out.write('\n');
            }
        }
        Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
    }
}
