package dev.tegu.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TeguVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Writes a trained student in the forms that others read; the model is never loaded. */
public final class StudentExport {
    private static final String CONFIG = "config.json";

    private StudentExport() {}

    /**
     * A model directory without adapters: each adapter is added to its weight in float32, and the
     * sum rounded once. transformers loads a student's; a README.md says what it is. Time
     * O(weights), memory one block of one weight and its adapter.
     *
     * @param student folder of a student, with or without adapters
     * @param dtype type of the weights, F32, BF16 or F16; absent: the one each has. New parameters
     *     stay float32
     * @param output does not exist, or is empty
     * @throws CheckpointException if the student is damaged, a value does not fit the type, or
     *     there is something at {@code output}; nothing is written then
     */
    public static void huggingFace(Path student, Optional<DType> dtype, Path output)
            throws IOException {
        huggingFace(student, dtype, output, export -> {});
    }

    /** What is done with an export whose weights are written, before its README.md is. */
    @FunctionalInterface
    public interface Measurement {
        /**
         * @param export folder that can be loaded; it has another name than the output, and no
         *     manifest yet
         */
        void measure(Path export) throws IOException;
    }

    /**
     * As {@link #huggingFace(Path, Optional, Path)}, measured on the way, so that README.md has the
     * figures. If that fails there is no export.
     *
     * @param measurement leaves its figures in the folder {@code eval} beside the student
     */
    public static void huggingFace(
            Path student, Optional<DType> dtype, Path output, Measurement measurement)
            throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            dtype.ifPresent(writer::cast);
            writer.extra(directory -> measurement.measure(directory.path(CONFIG).getParent()));
            if (!PeftDirectory.isIn(student)) {
                describe(writer, student, "", "hf", dtype);
                writer.write(output);
                return;
            }
            try (PeftDirectory adapters = PeftDirectory.open(student, writer.model())) {
                for (PeftModule module : adapters.modules()) {
                    for (LoraTarget target : module.targets()) {
                        writer.change(
                                target.weight(),
                                (rows, from) -> merged(rows, from, adapters, module, target));
                    }
                }
                describe(writer, student, "Its adapters are part of the weights.", "hf", dtype);
                writer.write(output);
            }
        }
    }

    /**
     * The same without the adapters: the model onto which PEFT loads what {@link #peft} writes.
     *
     * @throws CheckpointException as for {@link #huggingFace}, or if there are no adapters to leave
     *     out
     */
    public static void base(Path student, Optional<DType> dtype, Path output) throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            requireAdapters(student);
            dtype.ifPresent(writer::cast);
            String without = "It needs its adapters, which PEFT loads from a folder of their own.";
            describe(writer, student, without, "base", dtype);
            writer.write(output);
        }
    }

    /** What a student's export has beside weights and tokenizer; a teacher's has nothing more. */
    private static void describe(
            ModelWriter writer, Path student, String adapters, String format, Optional<DType> dtype)
            throws IOException {
        if (writer.model().linearAttention().isEmpty()) {
            return;
        }
        String command = "scripts/tegu export STUDENT --output DIR --format " + format;
        if (dtype.isPresent()) {
            command += " --dtype " + ModelCard.dtype(writer.config());
        }
        TransformersFiles.addTo(writer);
        String exporting = command;
        writer.extra(
                directory ->
                        Files.writeString(
                                directory.path(ModelCard.FILE_NAME),
                                ModelCard.of(
                                        student,
                                        writer.config(),
                                        writer.model(),
                                        adapters,
                                        exporting)));
    }

    private static void requireAdapters(Path student) {
        if (!PeftDirectory.isIn(student)) {
            throw new CheckpointException(
                    student
                            + ": no adapters to export; train with `lora_finetune` first, or"
                            + " export the whole model with `--format hf`");
        }
    }

    private static NDArray merged(
            NDArray rows, long from, PeftDirectory adapters, PeftModule module, LoraTarget target)
            throws IOException {
        NDManager scope = rows.getManager();
        NDArray a = adapters.readA(scope, module);
        long to = from + rows.getShape().get(0);
        NDArray b = adapters.readB(scope, module, target).get(from + ":" + to);
        return LoraAdapters.mergedWeight(rows, a, b, adapters.config().settings().scale());
    }

    /**
     * The adapters alone, in PEFT's files, with the student as their base model.
     *
     * @param student folder of a student with adapters
     * @param output does not exist, or is empty
     * @throws CheckpointException if there are no adapters, they are not the student's, or there is
     *     something at {@code output}; nothing is written then
     */
    public static void peft(Path student, Path output) throws IOException {
        Path config = student.resolve(CONFIG);
        ModelConfig model =
                ModelConfig.parse(HuggingFaceDirectory.readConfig(student), config.toString());
        requireAdapters(student);
        try (PeftDirectory adapters = PeftDirectory.open(student, model);
                StagedDirectory directory = StagedDirectory.create(output)) {
            directory.copy(student.resolve(PeftDirectory.WEIGHTS), PeftDirectory.WEIGHTS);
            Files.write(
                    directory.path(PeftConfig.FILE_NAME),
                    StrictJson.toBytes(adapters.config().write(student.toString())));
            directory.property("kind", "adapters").property("tegu_version", TeguVersion.NUMBER);
            directory.commit();
        }
    }
}
