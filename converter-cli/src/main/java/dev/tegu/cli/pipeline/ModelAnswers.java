package dev.tegu.cli.pipeline;

import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.checkpoint.Durable;
import dev.tegu.cli.console.Console;
import dev.tegu.eval.AnswerFile;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;

/** The file with what a loaded model answered already. */
public final class ModelAnswers {
    private ModelAnswers() {}

    /**
     * Opens a model's answers, which are used only if they are those of the same weights,
     * attention, number type and kind of device.
     *
     * @param file its folder is made
     * @param weights digest of the weights on the disk
     * @param model loaded from them
     * @param ablated branches that it was loaded without
     * @param resumes whether answers that are there are used
     * @param console hears of answers that are not
     */
    public static AnswerFile open(
            Path file,
            String weights,
            DecoderModel model,
            Set<Branch> ablated,
            boolean resumes,
            Console console)
            throws IOException {
        Durable.createFolders(file.toAbsolutePath().getParent());
        String identity =
                String.join(
                        "\n",
                        "weights " + weights,
                        "attention " + model.config().linearAttention(),
                        "without " + new TreeSet<>(ablated),
                        "type " + model.dtype(),
                        "device " + model.manager().getDevice().getDeviceType());
        return AnswerFile.open(file, identity, resumes, console::say);
    }
}
