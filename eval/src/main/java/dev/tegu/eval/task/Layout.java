package dev.tegu.eval.task;

import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import java.util.List;
import java.util.Optional;

/**
 * One form of a data set: which columns it has, and what question and answers are made of them.
 *
 * <p>Where a template is expected, the name of a column stands for its value; a template that is
 * one expression in double braces may be a list or a number.
 *
 * @param columns columns that must be there, for data of this form to be recognized; empty: any
 * @param processDocs what is done to a record before anything else
 * @param docToText template of the question; with {@code multiple_inputs} the right choice's index
 * @param docToChoice the answers: a list, or a template of one
 * @param docToTarget index of the right answer, or its text
 * @param options the column that holds the options which the question shows, or the columns, one an
 *     option; empty if it shows none
 */
public record Layout(
        @Default("[]") List<String> columns,
        Optional<DocFunction> processDocs,
        Optional<String> docToText,
        Optional<ConfigNode> docToChoice,
        Optional<ConfigNode> docToTarget,
        @Default("[]") List<String> options) {

    /** Copies the lists. */
    public Layout {
        columns = List.copyOf(columns);
        options = List.copyOf(options);
    }

    /** This form, with what it does not say taken from another; the columns are its own. */
    Layout over(Layout base) {
        return new Layout(
                columns,
                processDocs.or(base::processDocs),
                docToText.or(base::docToText),
                docToChoice.or(base::docToChoice),
                docToTarget.or(base::docToTarget),
                options.isEmpty() ? base.options : options);
    }
}
