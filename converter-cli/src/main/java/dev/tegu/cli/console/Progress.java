package dev.tegu.cli.console;

/** How far a long piece of work is. Closing it leaves its last state on the screen. */
public interface Progress extends AutoCloseable {
    /**
     * @param done how many of the total are done
     * @param note a short word on the state, for example the loss; may be empty
     */
    void at(long done, String note);

    @Override
    void close();
}
