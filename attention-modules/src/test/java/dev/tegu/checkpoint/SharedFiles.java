package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Real models beside the project; tests that need them are skipped where they are absent. */
public final class SharedFiles {

    private SharedFiles() {}

    /**
     * A path below the folder {@code shared} that stands beside the project or above it.
     *
     * @throws org.opentest4j.TestAbortedException if there is none
     */
    public static Path path(String relative) {
        Path dir = Path.of("").toAbsolutePath();
        while (dir != null && !Files.isDirectory(dir.resolve("shared/models"))) {
            dir = dir.getParent();
        }
        assumeTrue(dir != null, "skipped: no folder ../shared with real models beside the project");
        Path path = dir.resolve("shared").resolve(relative);
        assumeTrue(Files.exists(path), "skipped: the shared folder has no " + relative);
        return path;
    }
}
