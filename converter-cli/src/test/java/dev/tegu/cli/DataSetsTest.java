package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.jerolba.carpet.CarpetWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs on data sets as they come from a hub: directories of Parquet, conversations. */
final class DataSetsTest {
    private static final String TEMPLATE =
            "{% for m in messages %}{{ '<' + m.role + '>' + m.content + '\\n' }}{% endfor %}"
                    + "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";

    @TempDir Path dir;

    record Message(String role, String content) {}

    record Chat(List<Message> messages) {}

    @BeforeEach
    void writeATeacherAndChats() throws IOException {
        TinyTeacher.writeInto(dir);
        Files.writeString(dir.resolve("teacher/chat_template.jinja"), TEMPLATE);
        Path data = Files.createDirectories(dir.resolve("chats/data"));
        for (int part = 0; part < 2; part++) {
            Path file = data.resolve("train-0000" + part + "-of-00002.parquet");
            try (OutputStream out = Files.newOutputStream(file);
                    CarpetWriter<Chat> writer = new CarpetWriter<>(out, Chat.class)) {
                for (int i = 0; i < 30; i++) {
                    writer.write(
                            new Chat(
                                    List.of(
                                            new Message("user", "Where is vole " + part + i + "?"),
                                            new Message("assistant", "On the mat. " + i * i))));
                }
            }
        }
    }

    private String experiment() throws IOException {
        String yaml =
                """
                teacher: FOLDER/teacher
                method: lolcats
                method_overrides: {window: {size: 8}}
                output: FOLDER/out
                device: cpu
                data: {train: [FOLDER/chats], format: chat, sequence_length: 32,
                       document_masks: true, validation_split: 0.2}
                attention_transfer: {tokens: 256, batch_size: 4, log_every: 1, validate_every: 1}
                lora_finetune: {tokens: 256, batch_size: 4, r: 2, log_every: 1}
                """
                        .replace("FOLDER", dir.toString());
        return Files.writeString(dir.resolve("a.yaml"), yaml).toString();
    }

    @Test
    void aDirectoryOfParquetConversationsIsTrainedOnAndSplit() throws IOException {
        String config = experiment();

        Invocation train = Invocation.of("train", config);

        assertEquals(0, train.exitCode(), train.err());
        assertTrue(train.err().contains("train-00000-of-00002.parquet to "), train.err());
        assertTrue(train.err().contains(" to validate on"), train.err());
        assertFalse(train.err().contains("WARN"), train.err());
        String metrics = Files.readString(dir.resolve("out/metrics.jsonl"));
        assertTrue(metrics.contains("validation_loss"), metrics);

        Path tokens = dir.resolve("out/data/train.tokens");
        FileTime old = FileTime.fromMillis(0);
        Files.setLastModifiedTime(tokens, old);
        remove(dir.resolve("out/student"));
        Invocation again = Invocation.of("train", config, "--resume");

        assertEquals(0, again.exitCode(), again.err());
        assertEquals(old, Files.getLastModifiedTime(tokens));
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
