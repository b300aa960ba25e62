package dev.tegu.cli.pretrain;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.config.ConfigBinder;
import dev.tegu.eval.corpus.CorpusSettings;
import dev.tegu.eval.corpus.DemoCorpus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The generated corpus of a pretraining with its tokenizer, as a directory. */
final class Corpus {
    private static final String SETTINGS = "corpus";
    private static final String VOCAB_SIZE = "vocab_size";

    private Corpus() {}

    /**
     * Writes the directory, unless an earlier run has written it.
     *
     * @param modelMaxLength longest context of the model, for the tokenizer's files
     * @throws CheckpointException if the directory holds another corpus, or a damaged one
     */
    static void write(Path dir, CorpusSettings settings, int vocabSize, int modelMaxLength)
            throws IOException {
        Map<String, String> identity =
                Map.of(
                        SETTINGS,
                        ConfigBinder.toMap(settings).toString(),
                        VOCAB_SIZE,
                        String.valueOf(vocabSize));
        if (Files.exists(dir.resolve(Manifest.FILE_NAME))) {
            Manifest.verify(dir);
            if (!Manifest.read(dir).properties().entrySet().containsAll(identity.entrySet())) {
                throw new CheckpointException(
                        dir + ": holds another corpus; use the old settings, or another `output`");
            }
            return;
        }
        DemoCorpus corpus = new DemoCorpus(settings);
        try (StagedDirectory staged = StagedDirectory.create(dir)) {
            Path folder = staged.path(DemoCorpus.TRAIN).getParent();
            corpus.write(folder);
            corpus.tokenizer(vocabSize).write(folder, modelMaxLength);
            identity.forEach(staged::property);
            staged.commit();
        }
    }
}
