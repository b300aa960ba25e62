package dev.tegu.cli.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.InputException;
import dev.tegu.cli.bench.SpeedReport;
import dev.tegu.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What stands in the given places: outputs of {@code run}, {@code eval}, {@code analyze} and {@code
 * bench}, and single result files. Files are all that is read, never a model.
 *
 * @param places as they were given
 * @param models the one that others are compared with first
 * @param analyses by name of the student
 * @param runs directories of runs, by name
 * @param benches benchmarks, by name
 * @param notes what a reader should know of how they were put together
 */
record Sources(
        List<Path> places,
        List<Measured> models,
        Map<String, JsonNode> analyses,
        Map<String, Path> runs,
        Map<String, SpeedReport> benches,
        List<String> notes) {
    private static final JsonMapper MAPPER = new JsonMapper();
    private static final String RUN_SETTINGS = "config.effective.yaml";
    private static final String ANALYSIS = "analysis.json";
    private static final String TEACHER = "teacher";
    private static final String STUDENT = "student";
    private static final String RESULTS = "results";
    private static final String TRAINED = "trained_parameters";
    private static final String JSON = ".json";

    /** One place, read. */
    private static final class Place {
        private final String name;
        private final List<Measured> models = new ArrayList<>();
        private final Map<String, JsonNode> analyses = new LinkedHashMap<>();
        private Optional<Path> run = Optional.empty();
        private Optional<SpeedReport> bench = Optional.empty();

        Place(Path path) {
            this.name = String.valueOf(path.toAbsolutePath().normalize().getFileName());
        }

        boolean isEmpty() {
            return models.isEmpty() && analyses.isEmpty() && run.isEmpty() && bench.isEmpty();
        }
    }

    /**
     * Reads all places.
     *
     * @param baseline name of the model that others are compared with; if empty, the first one
     * @throws InputException if a place holds nothing of ours, or no model has that name
     */
    static Sources read(List<Path> paths, Optional<String> baseline) throws IOException {
        List<Place> places = new ArrayList<>();
        for (Path path : paths) {
            places.add(place(path));
        }
        List<String> notes = new ArrayList<>();
        List<Measured> models = new ArrayList<>();
        Map<String, JsonNode> analyses = new LinkedHashMap<>();
        Map<String, Path> runs = new LinkedHashMap<>();
        Map<String, SpeedReport> benches = new LinkedHashMap<>();
        for (Place place : places) {
            Set<String> others = new LinkedHashSet<>();
            models.forEach(model -> others.add(model.name()));
            for (Measured model : place.models) {
                add(models, others, place, model, places.size() > 1, notes);
            }
            place.analyses.forEach((name, json) -> analyses.put(unused(analyses, name), json));
            place.run.ifPresent(run -> runs.put(unused(runs, place.name), run));
            place.bench.ifPresent(bench -> benches.put(unused(benches, place.name), bench));
        }
        return new Sources(
                List.copyOf(paths), ordered(models, baseline), analyses, runs, benches, notes);
    }

    /**
     * Of several places, a run's student is called after the run, shared models stand once, and
     * tasks that one model was asked in several evaluations stand in one column.
     */
    private static void add(
            List<Measured> models,
            Set<String> others,
            Place place,
            Measured model,
            boolean isOneOfSeveral,
            List<String> notes) {
        Optional<Measured> same = models.stream().filter(model::isSameAs).findFirst();
        boolean isOfTeacher = !model.name().equals(STUDENT);
        if (isOneOfSeveral && isOfTeacher && same.isPresent()) {
            notes.add(model.file() + ": the same results as " + same.get().name() + ", shown once");
            return;
        }
        for (int i = 0; i < models.size(); i++) {
            if (model.isMoreOf(models.get(i))) {
                notes.add(model.file() + ": more tasks of " + model.name() + ", in its column");
                models.set(i, models.get(i).with(model));
                return;
            }
        }
        String name = model.name();
        if (isOneOfSeveral && place.run.isPresent() && name.equals(STUDENT)) {
            name = place.name;
        } else if (others.contains(name)) {
            name = place.name + " " + name;
        }
        Set<String> taken = new LinkedHashSet<>();
        models.forEach(m -> taken.add(m.name()));
        models.add(model.named(unused(taken, name)));
    }

    private static String unused(Map<String, ?> taken, String name) {
        return unused(taken.keySet(), name);
    }

    private static String unused(Set<String> taken, String name) {
        String free = name;
        for (int i = 2; taken.contains(free); i++) {
            free = name + " (" + i + ")";
        }
        return free;
    }

    private static List<Measured> ordered(List<Measured> models, Optional<String> baseline) {
        if (baseline.isEmpty()) {
            return List.copyOf(models);
        }
        Measured first =
                models.stream()
                        .filter(model -> model.name().equals(baseline.get()))
                        .findFirst()
                        .orElseThrow(
                                () ->
                                        new InputException(
                                                "--baseline "
                                                        + baseline.get()
                                                        + ": no such model; there are "
                                                        + Words.list(
                                                                models.stream()
                                                                        .map(Measured::name)
                                                                        .toList())));
        List<Measured> ordered = new ArrayList<>(models);
        ordered.remove(first);
        ordered.add(0, first);
        return List.copyOf(ordered);
    }

    private static Place place(Path path) throws IOException {
        Place place = new Place(path);
        if (Files.isRegularFile(path)) {
            Measured.Facts facts = Measured.Facts.NONE;
            place.models.add(model(path, readJson(path), Map.of(), facts));
            return place;
        }
        if (Files.exists(path.resolve(RUN_SETTINGS))) {
            place.run = Optional.of(path);
            readRun(place, path);
        } else {
            readEvaluation(place, path);
        }
        if (Files.exists(path.resolve(ANALYSIS))) {
            addAnalysis(place, path.resolve(ANALYSIS), Optional.empty());
        }
        if (Files.exists(path.resolve(SpeedReport.FILE_NAME))) {
            place.bench = Optional.of(SpeedReport.read(path.resolve(SpeedReport.FILE_NAME)));
        }
        if (place.isEmpty()) {
            throw new InputException(
                    path
                            + (Files.exists(path) ? ": nothing to show: no " : ": not found; no ")
                            + RUN_SETTINGS
                            + " of a run, results_*.json or results.json of an evaluation, "
                            + ANALYSIS
                            + " or "
                            + SpeedReport.FILE_NAME);
        }
        return place;
    }

    private static void readRun(Place place, Path run) throws IOException {
        Path eval = run.resolve("eval");
        for (String first : List.of(TEACHER, STUDENT)) {
            if (Files.exists(eval.resolve(first + JSON))) {
                place.models.add(ofRun(run, eval.resolve(first + JSON), first));
            }
        }
        for (Path file : files(eval, "", JSON)) {
            String name = stem(file);
            if (!Set.of(TEACHER, STUDENT).contains(name)
                    && !file.endsWith(ANALYSIS)
                    && readJson(file).has(RESULTS)) {
                place.models.add(ofRun(run, file, name));
            }
        }
        if (Files.exists(eval.resolve(ANALYSIS))) {
            addAnalysis(place, eval.resolve(ANALYSIS), Optional.of(place.name));
        }
    }

    private static Measured ofRun(Path run, Path file, String name) throws IOException {
        Map<String, Path> samples = samples(run.resolve("eval/samples").resolve(name), "");
        Optional<ModelConfig> student = config(run.resolve(STUDENT));
        OptionalLong positions =
                student.map(model -> OptionalLong.of(model.maxPositions()))
                        .orElse(OptionalLong.empty());
        Optional<String> attention =
                switch (name) {
                    case TEACHER -> Optional.of(AttentionWords.SOFTMAX);
                    case STUDENT ->
                            student.map(model -> AttentionWords.of(model.linearAttention()));
                    default -> Optional.of("control " + name);
                };
        OptionalLong trained =
                name.equals(STUDENT) ? trained(run.resolve(STUDENT)) : OptionalLong.empty();
        Measured.Facts facts = new Measured.Facts(attention, trained, positions);
        return model(file, readJson(file), samples, facts).named(name);
    }

    private static Optional<ModelConfig> config(Path dir) throws IOException {
        Path config = dir.resolve("config.json");
        return Files.exists(config)
                ? Optional.of(
                        ModelConfig.parse(HuggingFaceDirectory.readConfig(dir), config.toString()))
                : Optional.empty();
    }

    private static OptionalLong trained(Path dir) throws IOException {
        if (!Files.exists(dir.resolve(Manifest.FILE_NAME))) {
            return OptionalLong.empty();
        }
        String trained = Manifest.read(dir).properties().get(TRAINED);
        return trained == null ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(trained));
    }

    /**
     * Folders of models as lm-evaluation-harness lays them out, or the one file without samples.
     */
    private static void readEvaluation(Place place, Path dir) throws IOException {
        List<Path> folders = new ArrayList<>(List.of(dir));
        if (Files.isDirectory(dir)) {
            try (Stream<Path> list = Files.list(dir)) {
                list.filter(Files::isDirectory).sorted().forEach(folders::add);
            }
        }
        for (Path folder : folders) {
            List<Path> files = files(folder, "results_", JSON);
            if (!files.isEmpty()) {
                // the names are times: the last one is the newest
                Path file = files.get(files.size() - 1);
                String time = stem(file).substring("results_".length());
                place.models.add(
                        model(
                                file,
                                readJson(file),
                                samples(folder, "_" + time),
                                Measured.Facts.NONE));
            }
            if (!folder.equals(dir) && Files.exists(folder.resolve(ANALYSIS))) {
                addAnalysis(place, folder.resolve(ANALYSIS), Optional.empty());
            }
        }
        Path single = dir.resolve(RESULTS + JSON);
        if (place.models.isEmpty() && Files.exists(single)) {
            place.models.add(model(single, readJson(single), Map.of(), Measured.Facts.NONE));
        }
    }

    private static Measured model(
            Path file, JsonNode json, Map<String, Path> samples, Measured.Facts facts) {
        if (!json.path(RESULTS).isObject()) {
            throw new InputException(file + ": no result file: it has no `results`");
        }
        JsonNode attention = json.path("config").path("attention");
        JsonNode positions = json.path("max_length");
        Measured.Facts known =
                new Measured.Facts(
                        attention.isTextual() ? Optional.of(attention.asText()) : facts.attention(),
                        facts.trained(),
                        positions.isNumber()
                                ? OptionalLong.of(positions.asLong())
                                : facts.positions());
        return new Measured(json.path("model_name").asText(stem(file)), file, json, samples, known);
    }

    private static void addAnalysis(Place place, Path file, Optional<String> name)
            throws IOException {
        JsonNode json = readJson(file);
        if (!json.path("format").asText().equals("tegu-analysis")) {
            throw new InputException(file + ": no analysis: its `format` is not `tegu-analysis`");
        }
        String student = name.orElse(json.path(STUDENT).asText(STUDENT));
        place.analyses.put(unused(place.analyses, student), json);
    }

    /** Samples files by task. */
    private static Map<String, Path> samples(Path dir, String suffix) throws IOException {
        Map<String, Path> samples = new TreeMap<>();
        String start = "samples_";
        String end = suffix + ".jsonl";
        for (Path file : files(dir, start, end)) {
            String name = file.getFileName().toString();
            samples.put(name.substring(start.length(), name.length() - end.length()), file);
        }
        return samples;
    }

    private static List<Path> files(Path dir, String start, String end) throws IOException {
        if (!Files.isDirectory(dir)) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(dir)) {
            return list.filter(file -> file.getFileName().toString().startsWith(start))
                    .filter(file -> file.getFileName().toString().endsWith(end))
                    .sorted()
                    .toList();
        }
    }

    private static String stem(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.endsWith(JSON) ? name.substring(0, name.length() - JSON.length()) : name;
    }

    private static JsonNode readJson(Path file) throws IOException {
        try {
            JsonNode json = MAPPER.readTree(Files.readString(file));
            if (json.isObject()) {
                return json;
            }
        } catch (JsonProcessingException e) {
            throw new InputException(file + ": not JSON: " + e.getOriginalMessage(), e);
        }
        throw new InputException(file + ": not a JSON object");
    }
}
