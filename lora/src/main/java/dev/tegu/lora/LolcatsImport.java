package dev.tegu.lora;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.lolcats.LolcatsCheckpoint;
import dev.tegu.model.lolcats.LolcatsParameters;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/** Gives a student the trained tensors of a LoLCATs checkpoint: parameters and adapters. */
public final class LolcatsImport {
    /** What LoLCATs trains its adapters with. */
    public static final double DEFAULT_ALPHA = 16;

    private static final int NAMED_FAULTS = 8;

    private LolcatsImport() {}

    /**
     * Has the student written with the checkpoint's values instead of start values, and PEFT's
     * files beside it if the checkpoint has adapters.
     *
     * @param student an untrained student that is going to be written
     * @param checkpoint stays open until then
     * @param alpha {@code lora_alpha}, which the files do not hold; absent: {@link #DEFAULT_ALPHA}
     * @return {@code student}
     * @throws CheckpointException naming every switch of the method and every tensor that does not
     *     fit, together, or if an alpha is given and there are no adapters
     */
    public static ModelWriter apply(
            ModelWriter student, LolcatsCheckpoint checkpoint, OptionalDouble alpha) {
        LolcatsParameters parameters = LolcatsParameters.of(checkpoint, student.model());
        LolcatsAdapters adapters =
                LolcatsAdapters.of(checkpoint, student.model(), alpha.orElse(DEFAULT_ALPHA));
        List<String> faults = new ArrayList<>(parameters.faults());
        faults.addAll(adapters.faults());
        if (alpha.isPresent() && adapters.settings().isEmpty()) {
            faults.add("there are no adapters for a `lora_alpha`: leave out `--lora-alpha`");
        }
        if (!faults.isEmpty()) {
            int named = Math.min(NAMED_FAULTS, faults.size());
            int more = faults.size() - named;
            throw new CheckpointException(
                    checkpoint.names()
                            + ": does not fit the teacher and the method: "
                            + String.join("; ", faults.subList(0, named))
                            + (more > 0 ? "; and " + more + " more" : ""));
        }
        parameters.tensors().forEach(student::tensor);
        adapters.settings()
                .ifPresent(
                        settings ->
                                student.extra(
                                        directory ->
                                                PeftDirectory.write(
                                                        directory,
                                                        adapters.tensors(),
                                                        PeftConfig.of(student.model(), settings),
                                                        directory
                                                                .target()
                                                                .getFileName()
                                                                .toString())));
        return student;
    }
}
