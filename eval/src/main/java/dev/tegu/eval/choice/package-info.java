/**
 * Multiple-choice scoring: which of several answers does a model find most probable after a
 * context? The core that tasks give questions to; it reads no files.
 *
 * <p>A task writes its prompts, turns each into a {@link dev.tegu.eval.choice.ChoiceQuestion} with
 * one {@link dev.tegu.eval.choice.QuestionEncoder}, scores them all with {@link
 * dev.tegu.eval.choice.ChoiceScorer} and takes numbers and settings for its result file from {@link
 * dev.tegu.eval.choice.ChoiceResult}. Conventions are lm-evaluation-harness's but for three: BOS is
 * always asked for or refused, never the tokenizer's habit; a question that is too long is refused,
 * not cut on the left; the macro average has its own standard error.
 */
package dev.tegu.eval.choice;
