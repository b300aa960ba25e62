package dev.tegu.eval.task;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.eval.task.QuestionSettings.AddBos;
import dev.tegu.eval.task.QuestionSettings.Overlong;
import dev.tegu.tokenizer.PythonText;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * Turns contexts and continuations into tokens as lm-evaluation-harness does ({@code
 * TemplateLM._encode_pair}).
 *
 * <p>White space at the end of the context moves to the front of the continuation. Both are
 * tokenized as one text, the context also alone; the continuation's tokens are those of the one
 * text after as many as the context has. Where a token reaches over the border the model is shown
 * the context's own tokens followed by that rest, which is not the text: kept, because the
 * published numbers are made so, and counted.
 *
 * <p>BOS stands before every context or before none. An empty context without BOS is one token: BOS
 * if the tokenizer has one, else EOS. A text that is too long loses its beginning, BOS with it; of
 * context and continuation together as many tokens are kept as the model has positions (the harness
 * keeps one more, since the last one is rated and not read; here that holds of continuations of one
 * token).
 */
final class PairEncoder {
    private final TextTokenizer tokenizer;
    private final OptionalInt bos;
    private final int maxPositions;
    private final Overlong overlong;
    private Optional<Context> last = Optional.empty();

    /**
     * A context's tokens.
     *
     * @param alone its own
     * @param before those that the model reads, BOS included
     */
    private record Context(String text, int[] alone, int[] before) {}

    /**
     * @param maxPositions tokens that the model takes
     * @throws InvalidValueException if BOS was asked for and there is none
     */
    PairEncoder(TextTokenizer tokenizer, QuestionSettings settings, int maxPositions) {
        this.tokenizer = tokenizer;
        this.maxPositions = maxPositions;
        this.overlong = settings.overlong();
        boolean adds =
                settings.addBos() == AddBos.AUTO
                        ? TokenizedProbe.bos(tokenizer).length > 0
                        : settings.addBos() == AddBos.TRUE;
        this.bos = adds ? tokenizer.bosId() : OptionalInt.empty();
        if (adds && bos.isEmpty()) {
            throw new InvalidValueException("add_bos", "the tokenizer has no BOS; use `auto`");
        }
    }

    /** Whether BOS stands before every text. */
    boolean addsBos() {
        return bos.isPresent();
    }

    /**
     * @param place names the record in errors
     * @throws IllegalArgumentException if the continuation has no token of its own, or is longer
     *     than the model
     * @throws InvalidValueException if the text is too long and may not be cut
     */
    TokenPair encode(String place, String context, String continuation) {
        String stripped = PythonText.stripTrailing(context);
        String space = context.substring(stripped.length());
        Context read = read(place, stripped);
        int[] alone = read.alone();
        int[] whole = tokenizer.encode(stripped + space + continuation, false);
        int shared = Math.min(alone.length, whole.length);
        boolean splits =
                shared < alone.length || !Arrays.equals(alone, 0, shared, whole, 0, shared);
        int[] rated = Arrays.copyOfRange(whole, shared, whole.length);
        if (rated.length == 0) {
            throw new IllegalArgumentException(
                    (place + ": `" + continuation + "` has no token of its own, its characters")
                            + " belong to the context's last token; begin it with a space");
        }
        int room = rated.length == 1 ? maxPositions : maxPositions - rated.length;
        if (room < 1) {
            throw new IllegalArgumentException(
                    (place + ": an answer of " + rated.length + " tokens, and the model takes ")
                            + maxPositions);
        }
        int[] kept = fitted(place, read.before(), room);
        return new TokenPair(kept, rated, splits, kept.length < read.before().length);
    }

    /**
     * A text to write on.
     *
     * @param room tokens that it may have
     * @return its last tokens if it has more
     * @throws InvalidValueException if the text is too long and may not be cut
     */
    int[] prompt(String place, String context, int room) {
        return fitted(place, read(place, context).before(), Math.max(1, room));
    }

    /** Tokens of a whole prompt. */
    int length(String place, String context) {
        return read(place, context).before().length;
    }

    private int[] fitted(String place, int[] ids, int room) {
        if (ids.length > room && overlong == Overlong.REFUSE) {
            throw new InvalidValueException(
                    "overlong",
                    String.format(
                            "%s: the prompt has %d tokens, and the model has room for %d; give"
                                    + " fewer shots with `num_fewshot`, or `truncate`",
                            place, ids.length, room));
        }
        return ids.length > room ? Arrays.copyOfRange(ids, ids.length - room, ids.length) : ids;
    }

    private int[] before(int[] alone) {
        if (alone.length > 0 || bos.isPresent()) {
            return IntStream.concat(bos.stream(), Arrays.stream(alone)).toArray();
        }
        OptionalInt mark = tokenizer.bosId().isPresent() ? tokenizer.bosId() : tokenizer.eosId();
        if (mark.isEmpty()) {
            throw new IllegalArgumentException(
                    "an empty context needs a token before it, and the tokenizer has neither BOS"
                            + " nor EOS");
        }
        return new int[] {mark.getAsInt()};
    }

    /** The answers of one question have one context: it is tokenized once, and kept once. */
    private Context read(String place, String context) {
        if (last.isEmpty() || !last.get().text().equals(context)) {
            int[] alone = tokenizer.encode(context, false);
            if (alone.length > 0 && tokenizer.bosId().equals(OptionalInt.of(alone[0]))) {
                throw new IllegalArgumentException(
                        place
                                + ": the prompt begins with BOS as text; remove it and use `add_bos`");
            }
            last = Optional.of(new Context(context, alone, before(alone)));
        }
        return last.get();
    }
}
