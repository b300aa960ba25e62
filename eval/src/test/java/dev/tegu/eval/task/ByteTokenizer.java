package dev.tegu.eval.task;

import dev.tegu.tokenizer.TextTokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** An id for each UTF-8 byte, its value plus one; 0 is BOS, which is added or not. */
record ByteTokenizer(boolean addsBos) implements TextTokenizer {
    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        IntStream ids = IntStream.range(0, bytes.length).map(i -> (bytes[i] & 255) + 1);
        IntStream bos = addSpecialTokens && addsBos ? IntStream.of(0) : IntStream.empty();
        return IntStream.concat(bos, ids).toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        IntStream.of(ids).filter(id -> id > 0).forEach(id -> bytes.write(id - 1));
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Override
    public OptionalInt bosId() {
        return OptionalInt.of(0);
    }

    @Override
    public OptionalInt eosId() {
        return OptionalInt.empty();
    }

    @Override
    public int vocabSize() {
        return 257;
    }
}
