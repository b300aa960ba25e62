package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.tegu.eval.EvalData.NamedText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvalDataTest {
    @TempDir Path folder;

    @Test
    void fileIsReadWhateverItsEndingAndLineEndsBecomeNewlines() throws IOException {
        Path file = Files.writeString(folder.resolve("notes.log"), "a\r\nb\rc\n\nd");

        assertEquals(
                List.of(new NamedText("notes.log", "a\nb\nc\n\nd")), EvalData.load(file).texts());
    }

    @Test
    void directoryGivesItsTextFilesSortedAndNothingElse() throws IOException {
        Files.writeString(folder.resolve("b.txt"), "2");
        Files.writeString(folder.resolve("a.md"), "1");
        Files.writeString(folder.resolve("c.tokens"), "3");
        Files.writeString(folder.resolve("train.jsonl"), "{}");
        Files.createDirectory(folder.resolve("d.txt"));

        assertEquals(
                List.of("1", "2", "3"),
                EvalData.load(folder).texts().stream().map(NamedText::text).toList());
    }

    @Test
    void absentPathIsNamed() {
        Path file = folder.resolve("absent.txt");

        IOException error = assertThrows(IOException.class, () -> EvalData.load(file));

        assertEquals(file + ": no such file or directory", error.getMessage());
    }

    @Test
    void textThatIsNotUtf8IsNamed() throws IOException {
        Path file = Files.write(folder.resolve("latin1.txt"), new byte[] {'a', (byte) 0xE9, 'b'});

        IOException error = assertThrows(IOException.class, () -> EvalData.load(file));

        assertEquals(file + ": not UTF-8 text; convert it to UTF-8", error.getMessage());
    }
}
