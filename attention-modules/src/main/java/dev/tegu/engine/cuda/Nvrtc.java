package dev.tegu.engine.cuda;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;

/** NVIDIA's run-time compiler, from libtorch's folder or else from the system. */
public final class Nvrtc {
    private static final List<String> SYSTEM =
            List.of("libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so");

    private static final String BUILTINS = "nvrtc-builtins";

    /** NVIDIA's second build of each library, for old systems. */
    private static final String ALTERNATIVE = ".alt.";

    private final SharedLibrary library;

    private Nvrtc() {
        try {
            List<String> names = files(Engines.libraryFolder(), "libnvrtc*.so*");
            names.removeIf(file -> file.contains(BUILTINS));
            names.addAll(SYSTEM);
            this.library = SharedLibrary.open(names);
            // The compiler asks for its built-in functions by the name of their library; one that
            // lies beside it is found only if it is loaded already.
            Path folder = library.file().getParent();
            if (folder != null) {
                for (String builtins : files(folder, "lib" + BUILTINS + "*.so*")) {
                    SharedLibrary.open(List.of(builtins));
                }
            }
        } catch (CudaException e) {
            throw new CudaException("NVIDIA's run-time compiler NVRTC " + e.getMessage(), e);
        }
    }

    private static List<String> files(Path folder, String pattern) {
        List<String> found = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, pattern)) {
                files.forEach(file -> found.add(file.toAbsolutePath().toString()));
            } catch (IOException e) {
                throw new CudaException(folder + ": " + e.getMessage(), e);
            }
        }
        found.removeIf(file -> file.contains(ALTERNATIVE));
        found.sort(null);
        return found;
    }

    /** Loaded once; a failure is kept as well. */
    private static final class Once {
        private static Nvrtc compiler;
        private static CudaException failure;

        static {
            try {
                compiler = new Nvrtc();
            } catch (CudaException e) {
                failure = e;
            }
        }

        private Once() {}
    }

    /**
     * @throws CudaException if it is not there
     */
    public static Nvrtc get() {
        if (Once.failure != null) {
            throw new CudaException(Once.failure.getMessage(), Once.failure);
        }
        return Once.compiler;
    }

    /** Why {@link #get} fails, in one line; empty where it does not. */
    public static Optional<String> reasonAgainst() {
        return Optional.ofNullable(Once.failure).map(CudaException::getMessage);
    }

    /** Its version, such as {@code 12.8}. */
    public String version() {
        IntByReference major = new IntByReference();
        IntByReference minor = new IntByReference();
        call("nvrtcVersion", major, minor);
        return major.getValue() + "." + minor.getValue();
    }

    /**
     * Compiles a source for one kind of card; it needs no card.
     *
     * @param name for messages
     * @param source CUDA C++17 without includes
     * @param capability compute capability of the card, 10 major + minor
     * @param defines macros
     * @return machine code, as the driver loads it
     * @throws CudaException if it does not compile; the message holds the compiler's log
     */
    public byte[] compile(
            String name, String source, int capability, SortedMap<String, Integer> defines) {
        List<String> options = new ArrayList<>();
        options.add("--gpu-architecture=sm_" + capability);
        options.add("--std=c++17");
        defines.forEach((macro, value) -> options.add("-D" + macro + "=" + value));
        PointerByReference made = new PointerByReference();
        call("nvrtcCreateProgram", made, source, name, 0, Pointer.NULL, Pointer.NULL);
        Pointer program = made.getValue();
        try {
            String[] all = options.toArray(new String[0]);
            int code = library.call("nvrtcCompileProgram", program, all.length, all);
            if (code != 0) {
                throw new CudaException(
                        name + ": " + failed("nvrtcCompileProgram", code) + "\n" + log(program));
            }
            return bytes("nvrtcGetCUBIN", program);
        } finally {
            call("nvrtcDestroyProgram", made);
        }
    }

    private String log(Pointer program) {
        byte[] log = bytes("nvrtcGetProgramLog", program);
        // Its last byte is the zero that ends C text.
        return new String(log, 0, Math.max(0, log.length - 1), StandardCharsets.UTF_8).strip();
    }

    private byte[] bytes(String function, Pointer program) {
        LongByReference size = new LongByReference();
        call(function + "Size", program, size);
        byte[] bytes = new byte[Math.toIntExact(size.getValue())];
        call(function, program, bytes);
        return bytes;
    }

    private void call(String function, Object... arguments) {
        int code = library.call(function, arguments);
        if (code != 0) {
            throw new CudaException(failed(function, code));
        }
    }

    private String failed(String function, int code) {
        return "%s failed with %s (%d)"
                .formatted(function, library.text("nvrtcGetErrorString", code), code);
    }
}
