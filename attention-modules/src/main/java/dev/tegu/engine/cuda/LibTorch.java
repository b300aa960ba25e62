package dev.tegu.engine.cuda;

import dev.tegu.engine.Engines;
import java.nio.file.Path;
import java.util.List;

/** Functions of libtorch's C interface, which DJL has no Java method for. */
final class LibTorch {
    private LibTorch() {}

    /** A part of libtorch, such as {@code torch_cpu}; the engine has it loaded already. */
    static SharedLibrary open(String part) {
        Path file = Engines.libraryFolder().resolve(System.mapLibraryName(part));
        return SharedLibrary.open(List.of(file.toString()));
    }

    /**
     * Calls a function that returns a code.
     *
     * @throws CudaException if the code says that it failed; libtorch has printed why
     */
    static void call(SharedLibrary library, String function, Object... arguments) {
        int code = library.call(function, arguments);
        if (code != 0) {
            throw new CudaException(function + " of libtorch failed with " + code);
        }
    }
}
