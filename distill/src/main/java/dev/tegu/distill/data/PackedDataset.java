package dev.tegu.distill.data;

import dev.tegu.tokenizer.TextTokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * All documents of some files joined to one stream of tokens and cut into sequences of one length.
 *
 * <p>Every document opens with the marks its tokenizer adds (BOS, where it does) and closes with
 * EOS where the model has one. Sequences begin and end anywhere in a document, and attention within
 * a sequence sees over the borders of documents. What is left at the end is dropped and counted,
 * and so are sequences without a token to learn: their mean loss would be 0 / 0.
 *
 * <p>Memory: 4 bytes and at most one bit a token, twice that while loading; 4 bytes a sequence.
 */
public final class PackedDataset {
    private final TokenStream stream;
    private final int sequenceLength;
    private final OptionalInt opening;
    private final int cut;

    /** Numbers of the sequences that hold something to learn. */
    private final int[] kept;

    private PackedDataset(TokenStream stream, int sequenceLength, OptionalInt opening) {
        this.stream = stream;
        this.sequenceLength = sequenceLength;
        this.opening = opening;
        this.cut = stream.size() / ownTokens();
        this.kept = IntStream.range(0, cut).filter(this::isLearnt).toArray();
    }

    /** The first label of a sequence is no one's next token, so it does not count. */
    private boolean isLearnt(int number) {
        int first = number * ownTokens();
        return stream.isLearnt(first + (opening.isPresent() ? 0 : 1), first + ownTokens());
    }

    /** Tokens of a sequence that come from the stream. */
    private int ownTokens() {
        return sequenceLength - (opening.isPresent() ? 1 : 0);
    }

    /**
     * The same text cut anew, each sequence opened by a mark, as prompts and evaluation windows
     * are. A model leans on that mark: attention rests on it where there is nothing to look for,
     * and a student that never saw it leave the window fails where one did.
     *
     * @param mark the model's BOS
     */
    public PackedDataset openedBy(int mark) {
        return new PackedDataset(stream, sequenceLength, OptionalInt.of(mark));
    }

    /**
     * Reads files as a configuration says. Running text has one BOS a file, so there each sequence
     * is opened by one; other documents bring their own.
     *
     * @param files those of the configuration that are wanted
     * @throws DataException as {@link #load(List, DataFormat, int, TextTokenizer)}
     */
    public static PackedDataset load(
            DataSettings settings, List<String> files, TextTokenizer tokenizer) {
        PackedDataset data =
                load(
                        files.stream().map(Path::of).toList(),
                        settings.format(),
                        settings.sequenceLength(),
                        tokenizer);
        boolean opens = settings.format() == DataFormat.TEXT && tokenizer.bosId().isPresent();
        return opens ? data.openedBy(tokenizer.bosId().getAsInt()) : data;
    }

    /**
     * Reads and encodes the files.
     *
     * @param files at least one, read in this order
     * @param sequenceLength tokens of a sequence, at least 2
     * @throws DataException if a file is missing, empty, not UTF-8 or not in the format (with its
     *     name and line), or if all files together hold less than one sequence, or none with a
     *     token to learn
     */
    public static PackedDataset load(
            List<Path> files, DataFormat format, int sequenceLength, TextTokenizer tokenizer) {
        if (files.isEmpty() || sequenceLength < 2) {
            throw new IllegalArgumentException(
                    "expected files and a sequence length of 2 or more, found "
                            + files
                            + " and "
                            + sequenceLength);
        }
        DocumentReader reader = new DocumentReader(format, tokenizer);
        TokenStream stream = new TokenStream();
        for (Path file : files) {
            int before = stream.size();
            reader.read(file, stream::append);
            if (stream.size() == before) {
                throw new DataException(file + ": holds no text");
            }
        }
        if (stream.size() < sequenceLength) {
            throw new DataException(
                    files.get(0)
                            + (files.size() > 1 ? " and " + (files.size() - 1) + " more" : "")
                            + ": "
                            + stream.size()
                            + " tokens, less than one sequence of "
                            + sequenceLength
                            + "; lower `sequence_length` or add text");
        }
        PackedDataset data = new PackedDataset(stream, sequenceLength, OptionalInt.empty());
        if (data.size() == 0) {
            throw new DataException(
                    files.get(0)
                            + ": no sequence of "
                            + sequenceLength
                            + " tokens holds one to learn, all are prompts; raise"
                            + " `sequence_length`, or add longer completions");
        }
        return data;
    }

    /** Number of sequences, at least 1. */
    public int size() {
        return kept.length;
    }

    /** Tokens of each sequence. */
    public int sequenceLength() {
        return sequenceLength;
    }

    /** Tokens in all sequences together. */
    public long tokens() {
        return (long) size() * sequenceLength;
    }

    /** Tokens after the last whole sequence, which are not used. */
    public int droppedTokens() {
        return stream.size() - cut * ownTokens();
    }

    /** Sequences that were left out because none of their tokens is to be learnt. */
    public int droppedSequences() {
        return cut - kept.length;
    }

    /**
     * @param index 0 to {@link #size()} - 1, in the order of the files
     * @return fresh arrays of length {@link #sequenceLength()}
     */
    public Sequence get(int index) {
        if (index < 0 || index >= size()) {
            throw new IndexOutOfBoundsException("sequence " + index + " of " + size());
        }
        Sequence own = stream.sequence(kept[index] * ownTokens(), ownTokens());
        if (opening.isEmpty()) {
            return own;
        }
        return new Sequence(
                behind(opening.getAsInt(), own.ids()), behind(Sequence.IGNORED, own.labels()));
    }

    private static int[] behind(int first, int[] rest) {
        int[] all = new int[rest.length + 1];
        all[0] = first;
        System.arraycopy(rest, 0, all, 1, rest.length);
        return all;
    }
}
