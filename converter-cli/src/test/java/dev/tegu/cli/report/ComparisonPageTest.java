package dev.tegu.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.cli.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ComparisonPageTest {
    private static final String TIME = "2026-01-02T03-04-05.000006";

    @TempDir Path dir;

    private Path teacher;
    private Path student;

    /** 40 questions: the teacher knows 30 and the student 10 of them; a text; a recall task. */
    @BeforeEach
    void writeResults() throws IOException {
        teacher = results("one", "teacher-x", "softmax", 4096, 30, 20.0, 3.0, 40);
        student = results("two", "<script>alert(1)</script>", "hedgehog", 1024, 10, 25.5, 3.25, 40);
    }

    @Test
    void numbersIntervalsAndMarksStandInTheTable() throws IOException {
        String page = page(List.of(teacher, student), Optional.empty());

        // 30 of 40: Wilson's interval; 20 lost and none won: McNemar's p = 2 / 2^20
        assertTrue(page.contains("<td>0.750<small>0.598 to 0.858</small></td>"), page);
        assertTrue(
                page.contains(
                        "<td>0.250<small>0.142 to 0.402</small><small>−0.500 <span"
                                + " class=\"worse\" title=\"p &lt; 0.0001\">▼***</span></small>"),
                page);
        // a perplexity by its items' losses, all 0.25 larger: the t-test of no spread
        assertTrue(page.contains("<td>25.50<small>"), page);
        assertTrue(page.contains("+5.500 <span class=\"worse\" title=\"p &lt; 0.0001\">"), page);
        assertTrue(page.contains("<small>acc ↑, 40 items</small>"), page);
        assertTrue(page.contains("<small>token_perplexity ↓, 8 items</small>"), page);
        assertTrue(page.contains("guessing 0.250"), "chance level of four choices");
        // all wrong, the items not known: no interval rather than one of no width
        assertTrue(page.contains("<td>0.000<small>−0.500</small></td>"), page);
        assertTrue(page.contains("Of the 2 differences tested here, about 0.1"), page);
    }

    @Test
    void theSummarySaysWhatIsKept() throws IOException {
        String page = page(List.of(teacher, student), Optional.empty());

        // (0.25 - 0.25) / (0.75 - 0.25) above guessing
        assertTrue(page.contains("33 % of knowledge (0 % of what is above guessing)"), page);
        assertTrue(page.contains("50 % of recall"), page);
        assertTrue(page.contains("1.275 times the token_perplexity of perplexity"), page);
        assertTrue(page.contains(">1,024 (25 %)</td>"), page);
        assertTrue(page.contains(">hedgehog</td>"), page);
    }

    @Test
    void anotherBaselineTurnsTheComparisonRound() throws IOException {
        String page = page(List.of(student, teacher), Optional.of("teacher-x"));

        assertEquals(page(List.of(teacher, student), Optional.empty()), page);
        InputException e =
                assertThrows(
                        InputException.class, () -> page(List.of(teacher), Optional.of("other")));
        assertEquals("--baseline other: no such model; there are teacher-x", e.getMessage());
    }

    @Test
    void betterByChanceAndUnknownHaveTheirOwnMarks() throws IOException {
        Path same = results("three", "same", "hedgehog", 1024, 31, 20.0, 3.0, 40);

        String page = page(List.of(student, teacher, same), Optional.empty());
        String alike = page(List.of(teacher, same), Optional.empty());

        assertTrue(page.contains("class=\"better\" title=\"p &lt; 0.0001\">▲***</span>"), page);
        // one won, none lost: p = 1
        assertTrue(
                alike.contains("+0.025 <span class=\"same\" title=\"p 1.0000\">≈</span>"), alike);
    }

    @Test
    void itemsMeetByTheirDigestsUnderALimit() throws IOException {
        Path few = results("few", "few", "hedgehog", 1024, 10, 20.0, 3.0, 20);

        String page = page(List.of(teacher, few), Optional.empty());

        // of the first 20 the teacher knows all and the other 10
        assertTrue(page.contains("−0.500 <span class=\"worse\" title=\"p 0.0020\">▼**"), page);
        assertTrue(page.contains("</span> on 20 of both"), page);
    }

    @Test
    void otherQuestionsAreNotCompared() throws IOException {
        Path other = results("other", "other", "hedgehog", 1024, 10, 20.0, 3.0, 40);
        for (Path file : List.of(samples(other, "quiz"), samples(other, "perplexity"))) {
            Files.writeString(
                    file,
                    Files.readString(file).replace("\"prompt_hash\":\"p", "\"prompt_hash\":\"q"));
        }
        Path json = other.resolve("other/results_" + TIME + ".json");
        Files.writeString(json, Files.readString(json).replace("\"hash-", "\"else-"));

        String page = page(List.of(teacher, other), Optional.empty());

        assertTrue(page.contains("</small><small>asked otherwise</small></td>"), page);
        assertFalse(page.contains("class=\"worse\""), page);
    }

    @Test
    void nothingOfAFileBecomesMarkupAndNothingIsFetched() throws IOException {
        String page = page(List.of(teacher, student), Optional.empty());

        assertFalse(page.contains("<script"), "markup from a name");
        assertTrue(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), page);
        assertFalse(Pattern.compile("(?:src|href|srcset)=\"(?!data:)").matcher(page).find(), page);
        assertFalse(page.contains("http:") || page.contains("https:"), page);
        assertFalse(page.contains("url("), page);
    }

    @Test
    void picturesHaveTheirNumbersInWordsAndAreNotBlank() throws IOException {
        String page = page(List.of(teacher, student), Optional.empty());

        assertTrue(
                page.contains("alt=\"Knowledge. quiz: teacher-x 0.750 (0.598 to 0.858), &lt;"),
                page);
        assertTrue(page.contains("teacher-x 1.00 at 0, 0.500 at 64"), "recall by distance");
        assertTrue(page.contains("teacher-x 0.125 at 64, 0.250 at 128"), "growing state");
        assertTrue(page.contains("aria-label=\"passkey, teacher-x: acc by length"), "a heat map");
        Matcher pictures = Pattern.compile("data:image/png;base64,([^\"]*)").matcher(page);
        int count = 0;
        while (pictures.find()) {
            byte[] png = Base64.getDecoder().decode(pictures.group(1));
            var image = ImageIO.read(new ByteArrayInputStream(png));
            long dark = 0;
            for (int y = 0; y < image.getHeight(); y += 2) {
                for (int x = 0; x < image.getWidth(); x += 2) {
                    dark += (image.getRGB(x, y) & 0xff) < 128 ? 1 : 0;
                }
            }
            assertTrue(dark > 100, dark + " dark pixels");
            count++;
        }
        assertEquals(2 * 4, count, "knowledge, recall, distance and state, wide and narrow");
        assertTrue(Boolean.getBoolean("java.awt.headless"));
    }

    @Test
    void sectionsAreThereWithTheirFilesOnly() throws IOException {
        Files.createDirectories(dir.resolve("analysis"));
        Files.writeString(dir.resolve("analysis/analysis.json"), analysis());

        String without = page(List.of(teacher), Optional.empty());
        String with = page(List.of(teacher, dir.resolve("analysis")), Optional.empty());

        assertFalse(without.contains("What the new attention does"), without);
        assertTrue(
                without.contains("Not on this page: what the attention of each layer does"),
                without);
        assertFalse(without.contains("Item by item"), "a comparison of one model");
        assertTrue(with.contains("<h2>What the new attention does</h2>"), with);
        assertTrue(with.contains("young 0.500 at 0, 0.250 at 1"), "errors by layer");
        assertTrue(with.contains("documents): 2. The student keeps <b>1</b>."), with);
        assertTrue(with.contains("window only 0.500 at 0, 1.50 at 1"), "loss by layer");
        assertTrue(
                with.contains("<th scope=\"row\">window only</th><td>4.000</td><td>54.60</td>"),
                with);
    }

    @Test
    void aRunHasItsTrainingAndSettingsAndSharedTeachersStandOnce() throws IOException {
        Path first = run("lizard", 0.5);
        Path second = run("lolcats", 0.25);

        String page = page(List.of(first, second), Optional.empty());
        String alone = page(List.of(first), Optional.empty());

        assertTrue(page.contains("<h1>teacher beside lizard and lolcats</h1>"), page);
        assertTrue(page.contains("the same results as teacher, shown once."), page);
        assertTrue(page.contains("<h2>Training of lolcats</h2>"), page);
        assertTrue(page.contains("training 2.000 (step 1) to 2.000 (step 1)"), page);
        assertTrue(alone.contains("<h1>Run lizard</h1>"), alone);
        assertTrue(alone.contains("<th scope=\"col\">student</th>"), alone);
        assertTrue(alone.contains("seed: 0  # default"), alone);
        assertTrue(alone.contains("the items of teacher and student, so no significance"), alone);
        assertTrue(alone.contains("scripts/tegu report again"), alone);
    }

    @Test
    void aPlaceWithoutFilesOfOursIsNamed() throws IOException {
        Path samples = samples(teacher, "quiz");
        Files.writeString(samples, "{}\n");

        InputException nothing =
                assertThrows(
                        InputException.class,
                        () -> page(List.of(dir.resolve("none")), Optional.empty()));
        InputException strange =
                assertThrows(
                        InputException.class,
                        () -> page(List.of(teacher, student), Optional.empty()));

        assertTrue(nothing.getMessage().contains("none: not found; no config.eff"));
        assertEquals(
                samples + ":1: not a line of a samples file: no `doc_hash` or `metrics`",
                strange.getMessage());
    }

    @Test
    void tasksOfOneModelFromTwoEvaluationsStandInOneColumn() throws IOException {
        Path more = results("more", "teacher-x", "softmax", 4096, 30, 20.0, 3.0, 40);
        rewrite(
                teacher,
                text -> text.replace("{\"attention", "{\"weights_sha256\": \"ab\", \"attention"));
        rewrite(
                more,
                text ->
                        text.replace("{\"attention", "{\"weights_sha256\": \"ab\", \"attention")
                                .replace("quiz", "maps")
                                .replace("perplexity\"", "wikitext\"")
                                .replace("passkey", "needle"));

        String page = page(List.of(teacher, more, student), Optional.empty());
        rewrite(more, text -> text.replace("\"ab\"", "\"cd\""));
        String apart = page(List.of(teacher, more, student), Optional.empty());

        assertTrue(page.contains("more tasks of teacher-x, in its column"), page);
        assertTrue(page.contains("maps"), page);
        assertFalse(page.contains("more teacher-x"), page);
        assertTrue(apart.contains("more teacher-x"), apart);
    }

    @Test
    void aLogLikelihoodThatFallsIsALoss() throws IOException {
        for (Path place : List.of(teacher, student)) {
            // as the task wikitext keeps its items: the sum of the log-probabilities, and words
            Path samples = samples(place, "perplexity");
            Files.writeString(
                    samples,
                    Files.readString(samples)
                            .replace("token_nll\":[", "word_perplexity\":[-")
                            .replace("token_nll", "word_perplexity"));
            rewrite(
                    place,
                    text ->
                            text.replace("token_perplexity", "word_perplexity")
                                    .replace("token_nll", "byte_perplexity"));
        }

        String page = page(List.of(teacher, student), Optional.empty());

        assertTrue(page.contains("+5.500 <span class=\"worse\" title=\"p &lt; 0.0001\">"), page);
    }

    private static void rewrite(Path place, UnaryOperator<String> change) throws IOException {
        Path file = place.resolve(place.getFileName()).resolve("results_" + TIME + ".json");
        Files.writeString(file, change.apply(Files.readString(file)));
    }

    @Test
    void theSameFilesMakeTheSamePage() throws IOException {
        String page = page(List.of(teacher, student), Optional.empty());

        assertEquals(page, page(List.of(teacher, student), Optional.empty()));
    }

    private String page(List<Path> places, Optional<String> baseline) throws IOException {
        Path file = dir.resolve("page.html");
        ComparisonPage.write(places, baseline, "scripts/tegu report again", file);
        return Files.readString(file);
    }

    private Path samples(Path place, String task) {
        return place.resolve(place.getFileName())
                .resolve("samples_" + task + "_" + TIME + ".jsonl");
    }

    private Path results(
            String folder,
            String name,
            String attention,
            long state,
            int right,
            double perplexity,
            double loss,
            int questions)
            throws IOException {
        Path place = dir.resolve(folder);
        Files.createDirectories(place.resolve(folder));
        List<String> quiz = new ArrayList<>();
        for (int i = 0; i < questions; i++) {
            String requests = "\"gen_args_%d\":{\"arg_0\":\"q\",\"arg_1\":\" %s\"}";
            quiz.add(
                    String.format(
                            Locale.ROOT,
                            "{\"doc_hash\":\"d%d\",\"prompt_hash\":\"p\",\"target_hash\":\"t\","
                                    + "\"filter\":\"none\",\"metrics\":[\"acc\"],\"acc\":%d.0,"
                                    + "\"arguments\":{%s,%s,%s,%s}}\n",
                            i,
                            i < right ? 1 : 0,
                            requests.formatted(0, "A"),
                            requests.formatted(1, "B"),
                            requests.formatted(2, "C"),
                            requests.formatted(3, "D")));
        }
        List<String> text = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            text.add(
                    String.format(
                            Locale.ROOT,
                            "{\"doc_hash\":\"d%d\",\"prompt_hash\":\"p\",\"target_hash\":\"t\","
                                    + "\"filter\":\"none\",\"metrics\":[\"token_nll\"],"
                                    + "\"token_nll\":[%s, 4.0],\"arguments\":"
                                    + "{\"gen_args_0\":{\"arg_0\":\"text\"}}}\n",
                            i,
                            4 * loss));
        }
        Files.writeString(samples(place, "quiz"), String.join("", quiz));
        Files.writeString(samples(place, "perplexity"), String.join("", text));
        double share = (double) right / questions;
        boolean isTeacher = attention.equals("softmax");
        Files.writeString(
                place.resolve(folder).resolve("results_" + TIME + ".json"),
                String.format(
                        Locale.ROOT,
                        """
                        {"results": {"quiz": {"alias": "quiz", "acc,none": %s, "acc_stderr,none": 0.07},
                         "perplexity": {"alias": "perplexity", "token_perplexity,none": %s, "token_perplexity_stderr,none": 0.5,
                                        "token_nll,none": %s, "token_nll_stderr,none": 0.1},
                         "passkey": {"alias": "passkey", "acc,none": %s, "acc_stderr,none": 0.1, "acc_beyond_64,none": %s,
                                     "acc_beyond_64_stderr,none": 0.0}},
                         "higher_is_better": {"quiz": {"acc": true}, "perplexity": {"token_perplexity": false, "token_nll": false},
                                              "passkey": {"acc": true, "acc_beyond_64": true}},
                         "configs": {"quiz": {"task": "quiz"}, "perplexity": {}, "passkey": {}},
                         "n-samples": {"quiz": {"effective": %d}, "perplexity": {"effective": 8}, "passkey": {"effective": 4}},
                         "task_hashes": {"quiz": "hash-%d", "perplexity": "hash-p"},
                         "config": {"attention": "%s", "model_dtype": "float32"},
                         "model_name": "%s", "state_bytes_per_sequence": %d, "max_length": 2048,
                         "grids": {"passkey": {"metric": "acc", "columns": "depth", "lengths": [64, 128], "titles": ["0%%", "100%%"],
                                   "cells": [[{"value": 1.0, "n": 1}, null], [{"value": 0.5, "n": 2}, {"value": 0.0, "n": 1}]]},
                                   "perplexity": {"metric": "token_nll", "columns": "all", "lengths": [8], "titles": ["all"],
                                                  "cells": [[{"value": 12.0, "n": 8}]]}}}
                        """,
                        share,
                        perplexity,
                        loss,
                        isTeacher ? 1.0 : 0.5,
                        isTeacher ? 0.5 : 0.0,
                        questions,
                        questions,
                        attention,
                        name,
                        state));
        return place;
    }

    private Path run(String name, double accuracy) throws IOException {
        Path run = dir.resolve(name);
        Files.createDirectories(run.resolve("eval"));
        Files.writeString(run.resolve("config.effective.yaml"), "seed: 0  # default\n");
        Files.writeString(
                run.resolve("metrics.jsonl"),
                "{\"stage\":\"attention_transfer\",\"step\":1,\"loss\":2,\"tokens\":64}\n");
        for (String model : List.of("teacher", "student")) {
            Files.writeString(
                    run.resolve("eval/" + model + ".json"),
                    String.format(
                            Locale.ROOT,
                            "{\"results\":{\"recall\":{\"alias\":\"recall\",\"acc,none\":%s}},"
                                    + "\"model_name\":\"%s\"}",
                            model.equals("teacher") ? 1.0 : accuracy,
                            model));
        }
        return run;
    }

    private static String analysis() {
        return """
               {"format": "tegu-analysis", "version": 1, "teacher": "old", "student": "young",
                "agreement": {"mean": {"count": 9, "teacher_nll": 2.0, "student_nll": 3.0, "kl": 0.5, "top1_agreement": 0.75},
                  "by_position": [], "by_distance_beyond_window": [{"from": 0, "to": 1, "kl": 0.5, "top1_agreement": 0.5},
                                                                   {"from": 1, "to": 2, "kl": 1.5, "top1_agreement": 0.25}]},
                "layers": [{"layer": 0, "relative_mse": 0.5, "heads": [{"head": 0, "cosine": 0.5}]},
                           {"layer": 1, "relative_mse": 0.25, "heads": [{"head": 0, "cosine": 0.5}]}],
                "worst_heads": [{"layer": 0, "head": 0, "relative_mse": 0.5}],
                "retrieval": {"documents": 5, "used": 4, "threshold": 0.1, "teacher_heads": 2, "kept_heads": 1,
                  "heads": [{"layer": 1, "head": 0, "teacher_score": 0.9, "student_score": 0.5, "teacher_needle_weight": 0.5,
                             "student_needle_weight": null}]},
                "ablations": {"whole": [{"variant": "student", "nll": 3.0, "perplexity": 20.1, "needle_accuracy": null},
                                        {"variant": "window_only", "nll": 4.0, "perplexity": 54.6, "needle_accuracy": 0.0}],
                  "by_layer": [{"layer": 0, "window_only": 3.5, "linear_only": null, "none": null, "teacher_layer": 2.5},
                               {"layer": 1, "window_only": 4.5, "linear_only": null, "none": null, "teacher_layer": 2.0}]}}
               """;
    }
}
