package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.DType;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.Families;
import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code convert} of teachers that are no Llamas. */
final class ConvertFamiliesTest {
    @TempDir Path dir;

    private Path teacher(String name) throws IOException {
        Path teacher = dir.resolve("teacher");
        ObjectNode config = Families.config(name);
        try (DecoderModel model = Families.random(name, Optional.empty())) {
            ModelWriter.of(model, config, DType.F32).write(teacher);
        }
        return teacher;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gpt_neox-parallel | ''",
                "mistral-window | note: the teacher's sliding window holds in softmax layers;"
                        + " linearized layers see what their method lets them see",
                "gpt2 | note: positions are learned: neither teacher nor student reads beyond"
                        + " max_position_embeddings tokens"
            })
    void whatAStudentIsNotIsSaidAndItsFilesAreWhole(String name, String note) throws IOException {
        Path student = dir.resolve("student");

        Invocation run =
                Invocation.of(
                        "convert",
                        "--teacher=" + teacher(name),
                        "--method=lizard",
                        "--output=" + student);

        assertEquals(note, run.err().strip());
        assertEquals(0, run.exitCode());
        assertEquals(0, Invocation.of("verify", student.toString()).exitCode());
    }

    @Test
    void trainingSaysItFirst() throws IOException {
        Path experiment =
                Files.writeString(
                        dir.resolve("experiment.yaml"),
                        "teacher: %s%nmethod: lizard%noutput: %s%ndevice: cpu%n"
                                .formatted(teacher("gpt2"), dir.resolve("out")));

        Invocation run = Invocation.of("train", experiment.toString());

        assertTrue(run.err().startsWith("note: positions are learned"), run.err());
    }
}
