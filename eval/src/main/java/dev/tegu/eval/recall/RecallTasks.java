package dev.tegu.eval.recall;

import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTask;
import dev.tegu.eval.PasskeySettings;
import dev.tegu.eval.RulerSettings;
import dev.tegu.eval.recall.LengthTask.Plan;
import dev.tegu.eval.recall.Niah.Hay;
import dev.tegu.eval.recall.Niah.Kind;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** The recall tasks by length. */
public final class RecallTasks {
    private static final List<ItemSource> PASSKEYS = List.of(new Passkey(), new FivePasskeys());

    private static final List<ItemSource> RULER =
            List.of(
                    niah("single_1", "a number in a repeated line", Hay.REPEAT, Kind.NUMBERS),
                    niah("single_2", "a number in running text", Hay.ESSAY, Kind.NUMBERS),
                    niah("single_3", "a UUID in running text", Hay.ESSAY, Kind.UUIDS),
                    new Niah(
                            "niah_multikey_1",
                            "RULER: one of four numbers in running text",
                            Hay.ESSAY,
                            Kind.WORDS,
                            Kind.NUMBERS,
                            4,
                            1,
                            1),
                    niah("multikey_2", "a number among other numbers", Hay.NEEDLE, Kind.NUMBERS),
                    new Niah(
                            "niah_multikey_3",
                            "RULER: a UUID among other UUIDs, by a UUID",
                            Hay.NEEDLE,
                            Kind.UUIDS,
                            Kind.UUIDS,
                            1,
                            1,
                            1),
                    new Niah(
                            "niah_multivalue",
                            "RULER: four numbers of one key in running text",
                            Hay.ESSAY,
                            Kind.WORDS,
                            Kind.NUMBERS,
                            1,
                            4,
                            1),
                    new Niah(
                            "niah_multiquery",
                            "RULER: the numbers of four keys in running text",
                            Hay.ESSAY,
                            Kind.WORDS,
                            Kind.NUMBERS,
                            4,
                            1,
                            4),
                    new VariableTracking(),
                    new CommonWords(),
                    new FrequentWords());

    private RecallTasks() {}

    /** Every task, in the order of a list for people. */
    public static List<EvalTask> all() {
        return Stream.of(
                        Stream.<EvalTask>of(new MqarTask()),
                        PASSKEYS.stream().map(s -> task(s, "passkey", RecallTasks::passkeys)),
                        RULER.stream().map(s -> task(s, "ruler", RecallTasks::ruler)))
                .flatMap(tasks -> tasks)
                .toList();
    }

    private static EvalTask task(ItemSource source, String key, Function<EvalSettings, Plan> plan) {
        return new LengthTask(source, key, plan);
    }

    private static Plan passkeys(EvalSettings settings) {
        PasskeySettings passkey = settings.longContext().passkey();
        return new Plan(passkey.lengths(), passkey.depths(), passkey.samples());
    }

    private static Plan ruler(EvalSettings settings) {
        RulerSettings ruler = settings.longContext().ruler();
        return new Plan(ruler.lengths(), List.of(), ruler.samples());
    }

    private static Niah niah(String name, String description, Hay hay, Kind values) {
        return new Niah("niah_" + name, "RULER: " + description, hay, Kind.WORDS, values, 1, 1, 1);
    }
}
