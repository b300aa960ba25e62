package dev.tegu.eval.probe;

import java.util.List;

/**
 * A text followed by questions that the text answers.
 *
 * @param context what stands before the first question, without a newline at its end
 * @param questions the questions in order, at least one
 */
public record ProbeDocument(String context, List<Question> questions) {

    /**
     * One question with its answer.
     *
     * @param prompt what stands before the answer, beginning with a newline, without a space at its
     *     end
     * @param answer the expected continuation, beginning with a space
     * @param factEnd characters of the context up to the end of what answers the question
     */
    public record Question(String prompt, String answer, int factEnd) {}

    /**
     * @throws IllegalArgumentException if there is no question
     */
    public ProbeDocument {
        questions = List.copyOf(questions);
        if (questions.isEmpty()) {
            throw new IllegalArgumentException("questions: expected at least one");
        }
    }

    /** The whole document: context, then every question with its answer. */
    public String text() {
        StringBuilder text = new StringBuilder(context);
        for (Question question : questions) {
            text.append(question.prompt()).append(question.answer());
        }
        return text.toString();
    }
}
