package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.Sha256;
import dev.tegu.checkpoint.SharedFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class WikiTextTest {
    /** Made by the harness's rules run in Python. */
    @Test
    void aPageIsDetokenizedAsTheHarnessDoes() {
        String page =
                " = Robert <unk> = \n \n Robert 's 2 @-@ year , 1 @,@ 234 @.@ 5 kg ( 24 in ) boat"
                        + " 's \" big ship \" ' was ' [ sic ] { x } at 20 ° C : the cats ' N best ; why"
                        + " ? yes ! \n = = Career = = \n = = = Early = = = \n Text . \n";

        assertEquals(
                " = Robert <unk> =\n\nRobert's 2-year, 1,234.5 kg (24 in) boat's \"big ship\""
                        + " 'was' [sic] {x} at 20°C: the cats' 1 best; why? yes!\n== Career ==\n==="
                        + " Early ===\nText.\n",
                WikiText.detokenized(page));
        assertEquals(66, Words.count(page));
        assertEquals(209, Words.bytes(page));
    }

    @Test
    void pagesBeginAtTheirHeadings() {
        String text = " \n = A = \n text \n = = B = = \n more\n = C = \n";

        assertEquals(
                List.of(" = A = \n text \n = = B = = \n more", " = C = \n"), WikiText.pages(text));
        assertEquals(List.of("intro", " = A ="), WikiText.pages("intro\n = A ="));
    }

    /** Sizes and digest were printed by Python, with the harness's rules for pages and words. */
    @Test
    void theWholeTestSetIsTheHarnesses() throws IOException {
        Path file = SharedFiles.path("data/wikitext-2/wiki.test.tokens");

        List<String> pages = WikiText.pages(Files.readString(file));

        assertEquals(62, pages.size());
        assertEquals(241_335, pages.stream().mapToLong(Words::count).sum());
        assertEquals(1_256_386, pages.stream().mapToLong(Words::bytes).sum());
        String all = pages.stream().map(WikiText::detokenized).collect(Collectors.joining("\0"));
        assertEquals(
                "d3a9f56365df82b54e98dc161f503b193736c52d759e02e74cd872f3d0ed0eb1",
                Sha256.hex(all.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void wordsAndBytesAreThoseOfThePageBeforeDetokenizing() {
        String text = " = A = \n a , b . \n = C = \n c ( d ) ";
        EvalInput input =
                new EvalInput(
                        FakeModel.uniform(129, 8), new CharTokenizer(false), Settings.text(text));

        TaskResult result =
                EvalTasks.named("wikitext").run(input, Settings.of("wikitext"), EvalProgress.NONE);

        int tokens =
                WikiText.pages(text).stream().mapToInt(p -> WikiText.detokenized(p).length()).sum();
        long words = WikiText.pages(text).stream().mapToLong(Words::count).sum();
        assertTrue(tokens < text.length(), "detokenizing took nothing away");
        assertEquals(tokens, result.scoredTokens());
        double sum = tokens * Math.log(129);
        assertEquals(
                Math.exp(sum / words),
                result.metric("word_perplexity").value(),
                1e-4 * Math.exp(sum / words));
        int bytes = text.length() - 1;
        assertEquals(sum / bytes / Math.log(2), result.metric("bits_per_byte").value(), 1e-5);
        assertEquals(Math.exp(sum / bytes), result.metric("byte_perplexity").value(), 1e-3);
        assertEquals(2, result.samples().size());
        assertEquals(
                WikiText.detokenized(WikiText.pages(text).get(1)),
                result.samples().get(1).target());
    }
}
