package dev.tegu.eval;

import dev.tegu.model.LanguageModel;
import dev.tegu.tokenizer.TextTokenizer;

/**
 * What is evaluated, and on what.
 *
 * @param model the model; used from one thread
 * @param tokenizer the tokenizer that the model was trained with
 * @param data texts for the tasks that need some, {@link EvalData#none()} otherwise
 * @param cache what this model answered already, {@link AnswerCache#none()} if nothing is kept
 */
public record EvalInput(
        LanguageModel model, TextTokenizer tokenizer, EvalData data, AnswerCache cache) {
    /** Nothing is kept. */
    public EvalInput(LanguageModel model, TextTokenizer tokenizer, EvalData data) {
        this(model, tokenizer, data, AnswerCache.none());
    }
}
