package dev.tegu.model;

import java.util.List;

/** Says when a generated text is whole. */
@FunctionalInterface
public interface StopRule {
    /** Goes on to the limit of tokens; decoding need not wait for each token then. */
    StopRule NEVER = tokens -> false;

    /**
     * Asked after every new token.
     *
     * @param tokens the new tokens so far, at least one; must not be changed
     * @return whether the row ends with the last of them
     */
    boolean ends(List<Integer> tokens);

    /** Ends after a token of that id. */
    static StopRule at(int id) {
        return tokens -> tokens.get(tokens.size() - 1) == id;
    }
}
