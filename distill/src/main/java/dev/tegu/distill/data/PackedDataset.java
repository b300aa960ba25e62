package dev.tegu.distill.data;

import dev.tegu.checkpoint.Sha256;
import dev.tegu.records.DataException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;

/**
 * All documents of some files joined to one stream of tokens and cut into sequences of one length.
 *
 * <p>Every document opens with the marks its tokenizer adds (BOS, where it does) and closes with
 * EOS where the model has one; conversations are as their template writes them. Sequences begin and
 * end anywhere in a document. What is left at the end is dropped and counted, and so are sequences
 * without a token to learn: their mean loss would be 0 / 0.
 *
 * <p>The tokens are read from a file when a sequence is asked for. Memory: none a token; 4 bytes a
 * sequence where some tokens are not learnt.
 */
public final class PackedDataset {
    private final TokenFile tokens;
    private final Cutting cutting;
    private final long cut;

    /** Numbers of the sequences that hold something to learn; empty if {@link #keepsAll}. */
    private final int[] kept;

    private final boolean keepsAll;

    private PackedDataset(TokenFile tokens, Cutting cutting, String source) {
        this.tokens = tokens;
        this.cutting = cutting;
        this.cut = cutting.sequences(tokens.size());
        if (cut > Integer.MAX_VALUE) {
            throw new DataException(
                    (source + ": " + cut + " sequences, more than " + Integer.MAX_VALUE)
                            + "; raise `sequence_length` or name fewer files");
        }
        this.keepsAll = tokens.notLearnt() == 0 && !cutting.documentMasks();
        this.kept = keepsAll ? new int[0] : learnt();
    }

    /**
     * @param source names the data in messages
     * @param advice what to do where there is too little
     * @throws DataException if the tokens are less than a sequence, or no sequence has one to learn
     */
    static PackedDataset of(TokenFile tokens, Cutting cutting, String source, String advice) {
        PackedDataset data = new PackedDataset(tokens, cutting, source);
        int length = cutting.sequenceLength();
        if (data.cut == 0 || tokens.size() < length) {
            String more =
                    tokens.size() < length
                            ? "less than"
                            : "and `packing: reference` drops the last";
            throw new DataException(
                    (source + ": " + tokens.size() + " tokens, " + more + " one sequence of ")
                            + (length + "; " + advice));
        }
        if (data.size() == 0) {
            throw new DataException(
                    (source + ": no sequence of " + length + " tokens holds one to learn, all are")
                            + " prompts; raise `sequence_length`, or add longer completions");
        }
        return data;
    }

    private int[] learnt() {
        int[] numbers = new int[(int) Math.min(cut, 1 << 10)];
        int count = 0;
        int[] own = new int[cutting.ownTokens()];
        for (int i = 0; i < cut; i++) {
            tokens.read((long) i * own.length, own);
            if (cutting.isLearnt(own)) {
                if (count == numbers.length) {
                    numbers = Arrays.copyOf(numbers, (int) Math.min(cut, 2L * count));
                }
                numbers[count++] = i;
            }
        }
        return Arrays.copyOf(numbers, count);
    }

    /** Number of sequences, at least 1. */
    public int size() {
        return keepsAll ? (int) cut : kept.length;
    }

    /** Tokens of each sequence. */
    public int sequenceLength() {
        return cutting.sequenceLength();
    }

    /** Tokens in all sequences together. */
    public long tokens() {
        return (long) size() * sequenceLength();
    }

    /** Documents that the sequences were cut from. */
    public long documents() {
        return tokens.documents();
    }

    /** Whether a token sees those of its own document alone. */
    public boolean masksDocuments() {
        return cutting.documentMasks();
    }

    /** Tokens after the last whole sequence, which are not used. */
    public long droppedTokens() {
        return tokens.size() - cut * cutting.ownTokens();
    }

    /** Sequences that were left out because none of their tokens is to be learnt. */
    public int droppedSequences() {
        return (int) cut - size();
    }

    /** Size of the token file. */
    public long bytes() {
        return TokenFile.HEADER + tokens.size() * Integer.BYTES;
    }

    /**
     * What the sequences are: SHA-256 of the tokens and of how they are cut, 64 digits. The same
     * digest means the same sequences under the same numbers.
     */
    public String digest() {
        MessageDigest digest = Sha256.start();
        digest.update((tokens.digest() + " " + cutting.text()).getBytes(StandardCharsets.UTF_8));
        return Sha256.text(digest);
    }

    /**
     * @param index 0 to {@link #size()} - 1, in the order of the files
     * @return fresh arrays of length {@link #sequenceLength()}
     */
    public Sequence get(int index) {
        if (index < 0 || index >= size()) {
            throw new IndexOutOfBoundsException("sequence " + index + " of " + size());
        }
        int[] own = new int[cutting.ownTokens()];
        tokens.read((long) (keepsAll ? index : kept[index]) * own.length, own);
        return cutting.sequence(own);
    }
}
