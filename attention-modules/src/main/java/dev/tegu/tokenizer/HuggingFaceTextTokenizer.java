package dev.tegu.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Sha256;
import dev.tegu.checkpoint.StrictJson;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.OptionalInt;

/**
 * The tokenizer of a model directory, run by HuggingFace's own library.
 *
 * <p>Texts of any length are encoded whole: truncation and padding that {@code tokenizer.json} may
 * ask for are switched off. The network is never used. May be used from several threads.
 */
public final class HuggingFaceTextTokenizer implements TextTokenizer, AutoCloseable {

    /**
     * {@code maxLength} keeps DJL from warning that it chose 512, which it would not use either.
     */
    private static final Map<String, String> WHOLE_TEXTS =
            Map.of(
                    "truncation",
                    "false",
                    "padding",
                    "false",
                    "maxLength",
                    String.valueOf(Integer.MAX_VALUE),
                    "modelMaxLength",
                    String.valueOf(Integer.MAX_VALUE));

    private final Path dir;
    private final HuggingFaceTokenizer tokenizer;
    private final Vocabulary vocabulary;
    private final SpecialIds specialIds;

    private HuggingFaceTextTokenizer(
            Path dir,
            HuggingFaceTokenizer tokenizer,
            Vocabulary vocabulary,
            SpecialIds specialIds) {
        this.dir = dir;
        this.tokenizer = tokenizer;
        this.vocabulary = vocabulary;
        this.specialIds = specialIds;
    }

    /**
     * Loads {@code tokenizer.json}, or GPT-2's or Qwen2's {@code vocab.json} and {@code merges.txt}
     * where there is none, with the added tokens and the ids of the marks from the files beside it.
     *
     * @param dir a model directory of the HuggingFace layout
     * @throws CheckpointException if there is no tokenizer that can be read, or a file is damaged
     * @throws IOException if the disk fails
     */
    public static HuggingFaceTextTokenizer load(Path dir) throws IOException {
        TokenizerFiles files = TokenizerFiles.read(dir);
        return new HuggingFaceTextTokenizer(
                dir, open(dir, files), files.vocabulary(), files.marks());
    }

    private static HuggingFaceTokenizer open(Path dir, TokenizerFiles files) throws IOException {
        Path named = dir.resolve(TokenizerFiles.TOKENIZER);
        Path file = Files.exists(named) ? named : dir.resolve(VocabularyFiles.VOCABULARY);
        // Without it DJL reports its first use to its makers over the network.
        if (System.getProperty("OPT_OUT_TRACKING") == null) {
            System.setProperty("OPT_OUT_TRACKING", "true");
        }
        try (InputStream in =
                files.isChanged()
                        ? new ByteArrayInputStream(StrictJson.toBytes(files.json()))
                        : Files.newInputStream(file)) {
            return HuggingFaceTokenizer.newInstance(in, WHOLE_TEXTS);
        } catch (RuntimeException e) {
            throw new CheckpointException(
                    file
                            + ": the tokenizers library cannot read it: "
                            + String.valueOf(e.getMessage()).lines().findFirst().orElse("")
                            + "; fetch the file again, or save it with the newest transformers",
                    e);
        }
    }

    /** {@inheritDoc} Time about a second for a million characters. */
    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        long encoding =
                TokenizersLibrary.LIB.encode(
                        tokenizer.getHandle(), WellFormed.text(text), addSpecialTokens);
        return takeIds(encoding);
    }

    /**
     * Encodes several texts at once, on all cores; the same ids as one by one.
     *
     * @return one entry a text, in the same order
     */
    public List<int[]> encodeAll(List<String> texts, boolean addSpecialTokens) {
        String[] wellFormed = texts.stream().map(WellFormed::text).toArray(String[]::new);
        long[] encodings =
                TokenizersLibrary.LIB.batchEncode(
                        tokenizer.getHandle(), wellFormed, addSpecialTokens);
        List<int[]> ids = new ArrayList<>(encodings.length);
        for (long encoding : encodings) {
            ids.add(takeIds(encoding));
        }
        return ids;
    }

    /**
     * Reads the ids alone: DJL's {@code Encoding} also makes a string and a span of every token,
     * which costs as much as the encoding itself.
     */
    private static int[] takeIds(long encoding) {
        try {
            long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
            return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    /** {@inheritDoc} Ids that the tokenizer does not know stand for no text. */
    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecialTokens);
    }

    @Override
    public OptionalInt bosId() {
        return specialIds.bos();
    }

    @Override
    public OptionalInt eosId() {
        return specialIds.eos();
    }

    /** Every id that ends a text: {@link #eosId} and those that the model's configurations name. */
    public NavigableSet<Integer> stopIds() {
        return specialIds.stops();
    }

    /** The id of a token by its spelling in the vocabulary, such as {@code <s>} or {@code Ġthe}. */
    public OptionalInt idOf(String token) {
        return vocabulary.idOf(token);
    }

    @Override
    public int vocabSize() {
        return vocabulary.size();
    }

    /**
     * How the model wants conversations written, read anew at each call.
     *
     * @throws CheckpointException if the directory has no template
     */
    public ChatTemplate chatTemplate() throws IOException {
        return ChatTemplate.read(dir);
    }

    /**
     * SHA-256 of the tokenizer's files, its chat template among them, and of the ids of its marks:
     * the same digest means the same ids for every text. 64 digits.
     */
    public String digest() throws IOException {
        StringBuilder all = new StringBuilder();
        for (Path file : HuggingFaceDirectory.tokenizerFilesIn(dir)) {
            all.append(file.getFileName()).append(' ').append(Sha256.ofFile(file)).append('\n');
        }
        all.append("bos ").append(bosId().orElse(-1)).append(" eos ").append(eosId().orElse(-1));
        MessageDigest digest = Sha256.start();
        digest.update(all.toString().getBytes(StandardCharsets.UTF_8));
        return Sha256.text(digest);
    }

    /** Frees the native memory; no other method may be called afterwards. */
    @Override
    public void close() {
        tokenizer.close();
    }
}
