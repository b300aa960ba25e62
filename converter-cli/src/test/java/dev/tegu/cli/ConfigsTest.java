package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.experiment.ExperimentFile;
import dev.tegu.cli.pretrain.PretrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every file of configs/ loads, and the demo's teacher is whole and small. */
class ConfigsTest {
    private static final Path CONFIGS = Path.of("..", "configs");

    static List<Path> configs() throws IOException {
        try (Stream<Path> files = Files.list(CONFIGS)) {
            return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList();
        }
    }

    @ParameterizedTest
    @MethodSource("configs")
    void everyConfigurationLoads(Path file) throws IOException {
        if (Files.readString(file).contains("\npretrain:")) {
            PretrainConfig.load(file, Map.of());
        } else {
            String yaml = ExperimentFile.load(file, Map.of()).effectiveYaml();
            assertTrue(yaml.contains("feature_map:"), yaml);
        }
    }

    @Test
    void theDemoTeacherIsWholeAndSmall() throws IOException {
        Path teacher = CONFIGS.resolve("demo/teacher");

        Manifest.verify(teacher);

        long bytes = 0;
        for (Manifest.FileEntry file : Manifest.read(teacher).files()) {
            bytes += file.size();
        }
        assertTrue(bytes < 4_000_000, bytes + " bytes");
    }

    @Test
    void allConfigurationsAreMet() throws IOException {
        assertEquals(3, configs().size());
    }
}
