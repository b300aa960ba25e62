package dev.tegu.cli.experiment;

import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.AttentionTransferSettings;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.MatrixOrientationSettings;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.model.MemoryType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One experiment. Stages that are absent are skipped; relative paths start at the current directory
 * of the process, not at the file.
 *
 * @param teacher directory of the pretrained model
 * @param method name of a preset, path of a file, or the block of switches itself
 * @param methodOverrides switches laid over the method
 * @param output directory of the run, made by it
 * @param seed of everything random: initial values, order of the data, dropout
 * @param device {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:N}
 * @param dtype type of the frozen weights in memory, while training and in the evaluation; new
 *     parameters and adapters are float32 with any
 * @param data what the stages read; may be left out where there is no stage
 * @param matrixOrientation training stage before the first
 * @param attentionTransfer first training stage
 * @param loraFinetune second training stage
 * @param eval what is measured, of teacher and student
 * @param controls what stands beside teacher and student in the evaluation, training-free, see
 *     {@link Control}
 * @param export what is written at the end
 */
public record ExperimentConfig(
        String teacher,
        ConfigNode method,
        @Default("{}") ConfigNode methodOverrides,
        String output,
        @Default("0") long seed,
        @Default("auto") String device,
        @Default("float32") MemoryType dtype,
        Optional<DataSettings> data,
        Optional<MatrixOrientationSettings> matrixOrientation,
        Optional<AttentionTransferSettings> attentionTransfer,
        Optional<LoraFinetuneSettings> loraFinetune,
        Optional<EvalSettings> eval,
        @Default("[]") List<String> controls,
        Optional<ExportSettings> export) {

    /**
     * @throws InvalidValueException if two settings do not fit each other
     */
    public ExperimentConfig {
        controls = List.copyOf(controls);
        controls.forEach(Control::of);
        refuseBlank("teacher", teacher);
        refuseBlank("output", output);
        if (methodOverrides.kind() != ConfigNode.Kind.MAPPING) {
            throw new InvalidValueException(
                    "method_overrides", "expected switches, such as `{window: {size: 32}}`");
        }
        if (!device.matches("auto|cpu|cuda(:[0-9]{1,3})?")) {
            throw new InvalidValueException(
                    "device", "expected auto, cpu, cuda or cuda:N, found `" + device + "`");
        }
        List<Stage> stages = stages(matrixOrientation, attentionTransfer, loraFinetune, data);
        boolean measures = data.filter(DataSettings::hasValidation).isPresent();
        for (Stage stage : stages) {
            if (data.isEmpty()) {
                throw new InvalidValueException(stage.key(), "a stage needs the block `data`");
            }
            stage.training().checkValidation(stage.key(), measures);
        }
        matrixOrientation.ifPresent(s -> s.checkLength(data.orElseThrow().sequenceLength()));
        boolean partsAdapters =
                export.filter(e -> e.format() != ExportSettings.Format.HF).isPresent();
        String parts =
                export.filter(e -> e.format() == ExportSettings.Format.BASE)
                        .map(e -> "`base` leaves out the adapters")
                        .orElse("`peft` exports adapters");
        if (partsAdapters && loraFinetune.isEmpty()) {
            throw new InvalidValueException(
                    "export.format",
                    parts
                            + ", and without `lora_finetune` there are none; use `hf`,"
                            + " or add that block");
        }
        if (partsAdapters && !loraFinetune.get().trainsAdapters()) {
            throw new InvalidValueException(
                    "export.format",
                    parts + ", and `lora_finetune.trains` does not name `lora`; use" + " `hf`");
        }
        boolean trainsWeights =
                loraFinetune.filter(LoraFinetuneSettings::trainsWeights).isPresent();
        if (trainsWeights && dtype != MemoryType.FLOAT32) {
            throw new InvalidValueException(
                    "dtype",
                    "`lora_finetune.trains` names `weight`, and weights are trained in float32"
                            + " alone; set `dtype: float32`");
        }
        eval.ifPresent(settings -> refuseMissingText(settings, data));
    }

    /**
     * What all stages have.
     *
     * @param key the stage's key
     * @param training how much it reads, and how its steps are taken
     * @param sequenceLength tokens of a sequence that it reads; 0 where there are no data
     */
    public record Stage(String key, TrainingSettings training, int sequenceLength) {}

    /** The stages of this experiment in their order. */
    public List<Stage> stages() {
        return stages(matrixOrientation, attentionTransfer, loraFinetune, data);
    }

    private static List<Stage> stages(
            Optional<MatrixOrientationSettings> matrixOrientation,
            Optional<AttentionTransferSettings> attentionTransfer,
            Optional<LoraFinetuneSettings> loraFinetune,
            Optional<DataSettings> data) {
        int length = data.map(DataSettings::sequenceLength).orElse(0);
        List<Stage> stages = new ArrayList<>();
        matrixOrientation.ifPresent(
                s -> stages.add(new Stage("matrix_orientation", s.training(), s.sequenceLength())));
        attentionTransfer.ifPresent(
                s -> stages.add(new Stage("attention_transfer", s.training(), length)));
        loraFinetune.ifPresent(s -> stages.add(new Stage("lora_finetune", s.training(), length)));
        return stages;
    }

    private static void refuseBlank(String key, String path) {
        if (path.isBlank()) {
            throw new InvalidValueException(key, "expected a path, found blank text");
        }
    }

    private static void refuseMissingText(EvalSettings eval, Optional<DataSettings> data) {
        boolean hasText = data.filter(DataSettings::measuresText).isPresent();
        if (eval.analysis() && !hasText) {
            throw new InvalidValueException(
                    "eval.analysis",
                    "reads text files: name some in `data.evaluation` (or in `data.validation` of"
                            + " the format text), or leave it out");
        }
        for (String task : eval.tasks()) {
            if (EvalTasks.named(task).needsText() && !hasText) {
                throw new InvalidValueException(
                        "eval.tasks",
                        "`"
                                + task
                                + "` measures text files: name some in `data.evaluation` (or in"
                                + " `data.validation` of the format text), or leave the task out");
            }
        }
    }
}
