package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.cli.picture.MethodPictures;
import dev.tegu.eval.EvalTasks;
import dev.tegu.model.Architecture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ListCommandTest {

    @Test
    void everyTaskHasItsLine() {
        Invocation run = Invocation.of("list", "tasks");

        assertEquals(0, run.exitCode());
        assertEquals(EvalTasks.names(), run.out().lines().map(line -> line.split(" ")[0]).toList());
    }

    @Test
    void everyMethodHasItsFirstSentence() {
        List<String> lines = Invocation.of("list", "methods").out().lines().toList();

        assertEquals(
                AttentionPresets.NAMES, lines.stream().map(line -> line.split(" ")[0]).toList());
        assertTrue(
                lines.get(AttentionPresets.NAMES.indexOf("lolcats"))
                        .startsWith("lolcats          LoLCATs with a sliding window: "),
                lines.toString());
    }

    @Test
    void everyPresetNamesItsPaperAndItsDeviations() {
        for (String name : AttentionPresets.NAMES) {
            String text = AttentionPresets.text(name);
            assertTrue(text.contains("# Deviations: "), name);
            assertTrue(text.contains("arXiv ") || text.contains("# No paper."), name);
        }
    }

    @Test
    void everyFamilyIsToldApartAndHasItsRowInTheDocs() throws IOException {
        List<String> lines = Invocation.of("list", "architectures").out().lines().toList();
        String docs = Files.readString(Path.of("..", "docs", "architectures.md"));

        assertEquals(Architecture.NAMES, lines.stream().map(l -> l.split(" ")[0]).toList());
        assertEquals(
                lines.size(),
                lines.stream().map(l -> l.replaceFirst("\\w+ +", "")).distinct().count());
        Architecture.NAMES.forEach(name -> assertTrue(docs.contains("| `" + name + "` |"), name));
    }

    @Test
    void jsonIsOneObjectOfNamesAndDescriptions() throws JsonProcessingException {
        JsonNode tasks = new JsonMapper().readTree(Invocation.of("list", "tasks", "--json").out());

        assertEquals(EvalTasks.names().size(), tasks.size());
        assertTrue(tasks.path("perplexity").asText().contains("perplexity"));
    }

    @Test
    void anUnknownListingShowsTheKnownOnes() {
        Invocation run = Invocation.of("list", "taks");

        assertEquals(2, run.exitCode());
        assertTrue(run.err().contains("found `taks` (did you mean `tasks`?)"), run.err());
    }

    @Test
    void methodsAreSizedForAModelBesideItsSoftmaxCache(@TempDir Path dir) throws IOException {
        Path teacher = TinyTeacher.writeInto(dir);

        JsonNode sizes =
                new JsonMapper()
                        .readTree(
                                Invocation.of("list", "methods", "--json", "--model=" + teacher)
                                        .out());

        // 2 layers of 2 key/value heads, 4 wide, in float32: 128 bytes a token
        assertEquals(512 * 128, sizes.path("softmax_cache_bytes").asLong());
        JsonNode window = sizes.path("methods").path("window-only");
        assertEquals(64 * 128 + 2 * 16, window.path("state_bytes").asLong());
        assertEquals(65, window.path("equal_window").asInt());
        assertEquals(AttentionPresets.NAMES.size(), sizes.path("methods").size());
        List<String> lines =
                Invocation.of("list", "methods", "--model=" + teacher).out().lines().toList();
        assertTrue(lines.get(0).contains("2 layers, context 512. Softmax keeps 64.0 KiB"));
        assertTrue(
                lines.stream().anyMatch(line -> line.matches("window-only +8.03 KiB +12.55 % +65")),
                lines.toString());
    }

    @Test
    void thePicturesInTheDocumentationAreWhatTheCodeDraws(@TempDir Path dir) throws IOException {
        Path documented = Path.of("../docs/pictures");

        Invocation run = Invocation.of("list", "methods", "--pictures=" + dir);

        assertEquals(0, run.exitCode(), run.err());
        assertEquals(AttentionPresets.NAMES.size(), run.out().lines().count());
        for (String name : AttentionPresets.NAMES) {
            String drawn = Files.readString(dir.resolve(name + ".svg"));
            String hint =
                    "scripts/tegu list methods --pictures docs/pictures draws " + name + " anew";
            assertEquals(Files.readString(documented.resolve(name + ".svg")), drawn, hint);
        }
    }

    @Test
    void aPictureColoursWhatIsSeenInWhichBranch() {
        // 20 queries: the linear branch sees all that the window of 4 does not
        assertEquals(4 * 20 - 6, cells("lolcats", "#3f78b5"));
        assertEquals(210 - (4 * 20 - 6), cells("lolcats", "#f3c583"));
        assertEquals(4 * 20 - 6, cells("lizard", "#8d5f9e"));
        assertEquals(210, cells("no-attention", "#eceff2"));
    }

    private static long cells(String method, String colour) {
        return MethodPictures.svg(method)
                .lines()
                .filter(line -> line.contains(colour) && line.contains("stroke"))
                .count();
    }

    @Test
    void onlyMethodsHaveSizesAndPictures(@TempDir Path dir) {
        assertEquals(2, Invocation.of("list", "tasks", "--pictures=" + dir).exitCode());
        assertEquals(2, Invocation.of("list", "tasks", "--model=" + dir).exitCode());
    }
}
