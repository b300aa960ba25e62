package dev.tegu.tokenizer;

/** A conversation that a chat template cannot write, or whose turns cannot be told apart in it. */
public final class ChatTemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message what is wrong, without the place of the conversation
     */
    public ChatTemplateException(String message) {
        super(message);
    }
}
