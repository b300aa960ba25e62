package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.eval.EvalTasks;
import java.util.List;
import org.junit.jupiter.api.Test;

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
                        .startsWith("lolcats       LoLCATs with a sliding window: "),
                lines.toString());
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
}
