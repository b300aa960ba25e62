package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.distill.data.DataFiles.Split;
import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which files a path of a configuration means. */
final class DataFilesTest {
    @TempDir Path dir;

    private void write(String... names) throws IOException {
        for (String name : names) {
            Path file = dir.resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, "x");
        }
    }

    private List<String> find(String path, Split split, DataFormat format) throws IOException {
        return DataFiles.find(List.of(dir.resolve(path).toString()), split, format).stream()
                .map(file -> dir.relativize(file).toString())
                .toList();
    }

    private void refused(String path, DataFormat format, String expected) {
        DataException e = assertThrows(DataException.class, () -> find(path, Split.TRAIN, format));

        assertTrue(e.getMessage().startsWith(dir.resolve(path) + expected), e.getMessage());
    }

    @Test
    void pathsKeepTheirOrderAndPatternsAreSortedByName() throws IOException {
        write("b.txt", "a.txt", "c1.txt", "c10.txt", "c2.txt");

        List<Path> files =
                DataFiles.find(
                        List.of(dir + "/b.txt", dir + "/c*.txt", dir + "/a.txt"),
                        Split.TRAIN,
                        DataFormat.TEXT);

        assertEquals(
                List.of("b.txt", "c1.txt", "c10.txt", "c2.txt", "a.txt"),
                files.stream().map(file -> file.getFileName().toString()).toList());
        assertEquals(List.of("c1.txt", "c2.txt"), find("c?.txt", Split.TRAIN, DataFormat.TEXT));
    }

    @Test
    void patternsWorkInFoldersToo() throws IOException {
        write("en/x/a.jsonl", "de/x/a.jsonl", "de/y/a.jsonl", "en.d/x/a.jsonl");

        assertEquals(
                List.of("de/x/a.jsonl", "en/x/a.jsonl"),
                find("??/x/*.jsonl", Split.TRAIN, DataFormat.JSONL));
    }

    @Test
    void aFileWhoseNameLooksLikeAPatternIsThatFile() throws IOException {
        write("a*.txt", "ab.txt");

        assertEquals(List.of("a*.txt"), find("a*.txt", Split.TRAIN, DataFormat.TEXT));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "as parquet|data/train-00000-of-00002.parquet,data/train-00001-of-00002.parquet,"
                        + "data/test-00000-of-00001.parquet,README.md"
                        + "|data/train-00000-of-00002.parquet,data/train-00001-of-00002.parquet",
                "in the root|train-00000.parquet,validation-00000.parquet|train-00000.parquet",
                "as lines|my_train.jsonl,my_val.jsonl|my_train.jsonl",
                "packed|train.jsonl.gz,train.txt|train.jsonl.gz",
                "root before data|train.json,data/train.json|train.json",
                "words only|train.jsonl,trainer.jsonl,constrain.jsonl|train.jsonl"
            })
    void aDirectoryGivesTheFilesOfItsTrainingSplit(String name, String files, String expected)
            throws IOException {
        write(files.split(","));

        assertEquals(List.of(expected.split(",")), find("", Split.TRAIN, DataFormat.JSONL));
    }

    @Test
    void aDirectoryGivesTheFilesOfItsValidationSplit() throws IOException {
        write("train.jsonl", "validation.jsonl", "text/train.txt", "text/valid.md");

        assertEquals(List.of("validation.jsonl"), find("", Split.VALIDATION, DataFormat.CHAT));
        assertEquals(List.of("text/valid.md"), find("text", Split.VALIDATION, DataFormat.TEXT));
    }

    @Test
    void whatIsNotThereIsNamed() throws IOException {
        write("d/test-0.parquet", "two/train.parquet", "two/train.jsonl");

        refused("none.txt", DataFormat.TEXT, ": no such file; relative paths start at");
        refused("x*.txt", DataFormat.TEXT, ": no file fits this pattern");
        refused("d", DataFormat.JSONL, ": a directory without a file of records");
        refused("two", DataFormat.JSONL, ": the split is there as .jsonl and .parquet; name one");
    }
}
