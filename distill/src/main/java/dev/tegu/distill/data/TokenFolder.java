package dev.tegu.distill.data;

import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Sha256;
import dev.tegu.distill.data.DataFiles.Split;
import dev.tegu.records.DataException;
import dev.tegu.tokenizer.ChatTemplate;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The directory where the tokens of a run's data are kept: {@code train.tokens} and {@code
 * validation.tokens}. They are encoded once; a run that goes on takes the files that are there, if
 * they are whole and were made from the same data by the same tokenizer and settings, and makes
 * them again otherwise.
 *
 * <p>Memory: one document, or a million characters of running text, at a time.
 */
public final class TokenFolder {
    private static final String MORE_TEXT = "lower `sequence_length` or add text";

    /** Raised when the same inputs are encoded to other tokens than before. */
    private static final String VERSION = "tegu tokens 1";

    /** Reads a chat template when one is needed. */
    interface TemplateSource {
        ChatTemplate read() throws IOException;
    }

    private final Path dir;
    private final TextTokenizer tokenizer;
    private final String tokenizerDigest;
    private final TemplateSource template;

    /**
     * @param tokenizerDigest tells the tokenizer, its template included, from others
     */
    TokenFolder(
            Path dir, TextTokenizer tokenizer, String tokenizerDigest, TemplateSource template) {
        this.dir = dir;
        this.tokenizer = tokenizer;
        this.tokenizerDigest = tokenizerDigest;
        this.template = template;
    }

    /**
     * @param dir made when there is something to keep
     */
    public static TokenFolder of(Path dir, HuggingFaceTextTokenizer tokenizer) throws IOException {
        return new TokenFolder(dir, tokenizer, tokenizer.digest(), tokenizer::chatTemplate);
    }

    /** What decides the tokens, beside the files and the tokenizer. */
    private record Encoding(DataFormat format, Packing packing, ValidationSplit split) {
        DocumentReader reader(TextTokenizer tokenizer, TemplateSource template) throws IOException {
            return new DocumentReader(
                    format,
                    new DocumentEncoder(tokenizer, packing),
                    split,
                    format == DataFormat.CHAT ? Optional.of(template.read()) : Optional.empty());
        }
    }

    /**
     * The data of a configuration. Running text has one BOS a file, so there each sequence is
     * opened by one, but in the reference's packing; other documents bring their own.
     *
     * @throws DataException if a file is missing, empty, not UTF-8 or not in the format (with its
     *     name and line), or if all files of a side together hold less than one sequence, or none
     *     with a token to learn
     * @throws dev.tegu.checkpoint.CheckpointException if the format needs a chat template and the
     *     tokenizer has none
     */
    public TrainingData load(DataSettings settings) throws IOException {
        DataFormat format = settings.format();
        double part = settings.validationSplit();
        Encoding encoding = new Encoding(format, settings.packing(), new ValidationSplit(part));
        boolean opens = format == DataFormat.TEXT && settings.packing() == Packing.JOINED;
        Cutting cutting =
                new Cutting(
                        settings.sequenceLength(),
                        settings.packing(),
                        settings.documentMasks(),
                        opens ? tokenizer.bosId() : OptionalInt.empty());
        List<Path> files = DataFiles.find(settings.train(), Split.TRAIN, format);
        List<Path> held = DataFiles.find(settings.validation(), Split.VALIDATION, format);
        if (part > 0) {
            List<TokenFile> sides = tokens(encoding, files, List.of(Split.TRAIN, Split.VALIDATION));
            String source = names(files) + ", what `validation_split: " + part + "` ";
            PackedDataset train =
                    PackedDataset.of(
                            sides.get(0),
                            cutting,
                            source + "leaves to train on",
                            "lower it, " + MORE_TEXT);
            PackedDataset validation =
                    PackedDataset.of(
                            sides.get(1),
                            cutting,
                            source + "keeps for validation",
                            "raise it, lower `sequence_length`, or name files in `validation`");
            return new TrainingData(train, Optional.of(validation), files);
        }
        Optional<PackedDataset> validation =
                held.isEmpty()
                        ? Optional.empty()
                        : Optional.of(packed(encoding, held, Split.VALIDATION, cutting));
        return new TrainingData(packed(encoding, files, Split.TRAIN, cutting), validation, files);
    }

    /**
     * Some files as one stream, nothing put in front of its sequences.
     *
     * @param side which token file is theirs, and which files are meant by a directory
     * @throws DataException as {@link #load(DataSettings)}
     */
    public PackedDataset load(Split side, List<String> paths, DataFormat format, int sequenceLength)
            throws IOException {
        return packed(
                new Encoding(format, Packing.JOINED, new ValidationSplit(0)),
                DataFiles.find(paths, side, format),
                side,
                new Cutting(sequenceLength, Packing.JOINED, false, OptionalInt.empty()));
    }

    private PackedDataset packed(Encoding encoding, List<Path> files, Split side, Cutting cutting)
            throws IOException {
        TokenFile tokens = tokens(encoding, files, List.of(side)).get(0);
        return PackedDataset.of(tokens, cutting, names(files), MORE_TEXT);
    }

    /** The files in a message: the first, and how many more. */
    private static String names(List<Path> files) {
        return files.get(0) + (files.size() > 1 ? " and " + (files.size() - 1) + " more" : "");
    }

    /**
     * Takes the token files that are there, or makes them.
     *
     * @param sides one for all documents, or one to train on and one to validate on
     */
    private List<TokenFile> tokens(Encoding encoding, List<Path> files, List<Split> sides)
            throws IOException {
        byte[] identity = identity(encoding, files);
        List<TokenFile> found = new ArrayList<>();
        for (Split side : sides) {
            TokenFile.find(target(side), identity).ifPresent(found::add);
        }
        if (found.size() == sides.size()) {
            return found;
        }
        DocumentReader reader = encoding.reader(tokenizer, template);
        Durable.createFolders(dir);
        List<TokenFileWriter> writers = new ArrayList<>();
        try {
            for (Split side : sides) {
                writers.add(new TokenFileWriter(target(side)));
            }
            for (Path file : files) {
                long before = size(writers);
                reader.read(file, (document, held) -> writers.get(held ? 1 : 0).append(document));
                if (size(writers) == before) {
                    throw new DataException(file + ": holds no text");
                }
            }
            for (TokenFileWriter writer : writers) {
                writer.finish(identity);
            }
        } finally {
            for (TokenFileWriter writer : writers) {
                writer.close();
            }
        }
        List<TokenFile> made = new ArrayList<>();
        for (Split side : sides) {
            made.add(TokenFile.open(target(side)));
        }
        return made;
    }

    private static long size(List<TokenFileWriter> writers) {
        return writers.stream().mapToLong(TokenFileWriter::tokens).sum();
    }

    private Path target(Split side) {
        return dir.resolve(side.name().toLowerCase(Locale.ROOT) + ".tokens");
    }

    /** SHA-256 of all that decides the tokens. */
    private byte[] identity(Encoding encoding, List<Path> files) throws IOException {
        StringBuilder text = new StringBuilder(VERSION).append('\n');
        text.append("format ").append(encoding.format()).append('\n');
        text.append("packing ").append(encoding.packing()).append('\n');
        text.append("validation_split ").append(encoding.split().part()).append('\n');
        text.append("tokenizer ").append(tokenizerDigest).append('\n');
        for (Path file : files) {
            text.append("file ").append(file.getFileName()).append(' ');
            text.append(Files.size(file)).append(' ').append(Sha256.ofFile(file)).append('\n');
        }
        return Sha256.start().digest(text.toString().getBytes(StandardCharsets.UTF_8));
    }
}
