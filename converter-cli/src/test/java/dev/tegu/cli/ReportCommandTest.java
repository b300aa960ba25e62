package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ReportCommandTest {
    @TempDir Path dir;

    @Test
    void thePageSaysHowItIsMadeAgain() throws IOException {
        Path first = results("it's one", 1.0);
        Path second = results("two", 0.5);
        Path page = dir.resolve("page.html");

        Invocation report =
                Invocation.of(
                        "report",
                        first.toString(),
                        second.toString(),
                        "--baseline=two",
                        "--output=" + page);

        assertEquals(0, report.exitCode(), report.err());
        assertEquals(page + "\n", report.out());
        assertTrue(report.err().contains(page + ": 2 models, 1 task, "), report.err());
        assertTrue(
                Files.readString(page)
                        .contains(
                                "scripts/tegu report &#39;"
                                        + dir
                                        + "/it&#39;\\&#39;&#39;s one.json&#39; "
                                        + second
                                        + " --baseline two --output "
                                        + page));
    }

    @Test
    void ofOnePlaceThePageGoesBesideWhatItIsOf() throws IOException {
        Path one = results("one", 1.0);

        Invocation report = Invocation.of("report", one.toString());

        assertEquals(0, report.exitCode(), report.err());
        assertEquals(dir.resolve("report.html") + "\n", report.out());
        assertTrue(Files.readString(dir.resolve("report.html")).contains("<h1>one</h1>"));
    }

    @Test
    void aBenchmarkAloneIsAPictureUnlessAPageIsNamed() throws IOException {
        Files.writeString(
                dir.resolve("bench.json"),
                "{\"settings\":{\"hardware\":\"a machine\"},\"training\":[],\"attention\":[],"
                        + "\"decoding\":[{\"model\":\"teacher\",\"context\":64,"
                        + "\"prefillTokensPerSecond\":null,\"decodeTokensPerSecond\":10.0,"
                        + "\"stateBytes\":2097152,\"peakBytes\":null}],\"failures\":[]}");
        Path page = dir.resolve("page.html");

        Invocation picture = Invocation.of("report", dir.toString());
        Invocation asPage = Invocation.of("report", dir.toString(), "--output=" + page);
        Invocation compared = Invocation.of("report", dir.toString(), "--baseline=a");

        assertEquals(dir.resolve("bench.png") + "\n", picture.out(), picture.err());
        assertEquals(0, asPage.exitCode(), asPage.err());
        assertTrue(Files.readString(page).contains("teacher 10.0 at 64"));
        assertEquals(2, compared.exitCode());
        assertTrue(compared.err().contains("compares no results"), compared.err());
    }

    @Test
    void aJavaWithoutFontsIsToldWhatIsMissing() throws IOException, InterruptedException {
        Path page = dir.resolve("page.html");
        ProcessBuilder java =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Dsun.awt.fontconfig=/nonexistent/fonts.properties",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "dev.tegu.cli.Tegu",
                        "report",
                        results("one", 1.0).toString(),
                        "--output=" + page);
        java.environment().put("FONTCONFIG_FILE", "/dev/null");

        Process process = java.redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertEquals(ExitCode.INPUT, process.waitFor(), said);
        assertTrue(said.contains(page + ": not written: this Java draws no text"), said);
        assertTrue(said.contains("install fonts"), said);
        assertFalse(Files.exists(page));
    }

    private Path results(String name, double accuracy) throws IOException {
        Path file = dir.resolve(name + ".json");
        Files.writeString(
                file,
                "{\"results\":{\"recall\":{\"alias\":\"recall\",\"acc,none\":"
                        + accuracy
                        + "}},\"model_name\":\""
                        + name
                        + "\"}");
        return file;
    }
}
