package dev.tegu.engine.cuda;

import com.sun.jna.Function;
import com.sun.jna.Library;
import com.sun.jna.NativeLibrary;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A shared library and its functions by name; stays loaded for the life of the process. */
final class SharedLibrary {
    /**
     * RTLD_LAZY, without RTLD_GLOBAL, JNA's default: that would lend the symbols of libtorch, which
     * is loaded already, to every library that comes after it.
     */
    private static final int LAZY = 1;

    /** JNA unloads what nobody holds. */
    private static final Queue<NativeLibrary> HELD = new ConcurrentLinkedQueue<>();

    private final NativeLibrary library;

    private SharedLibrary(NativeLibrary library) {
        this.library = library;
        HELD.add(library);
    }

    /**
     * Opens the first library that is there.
     *
     * @param names paths, or names for the system's search
     * @throws CudaException if none can be loaded; the message holds each one's reason
     */
    static SharedLibrary open(List<String> names) {
        List<String> reasons = new ArrayList<>();
        for (String name : names) {
            try {
                Map<String, Integer> options = Map.of(Library.OPTION_OPEN_FLAGS, LAZY);
                return new SharedLibrary(NativeLibrary.getInstance(name, options));
            } catch (LinkageError e) {
                reasons.add(reason(e));
            }
        }
        throw new CudaException("cannot be loaded: " + String.join("; ", reasons));
    }

    /** The loader's own line, which names the file; JNA puts one before it and many after. */
    private static String reason(LinkageError failure) {
        List<String> lines = String.valueOf(failure.getMessage()).lines().toList();
        return lines.size() > 1 ? lines.get(1).strip() : lines.get(0);
    }

    /**
     * Calls a function that returns a code.
     *
     * @param arguments int, long or size_t as {@link Integer} and {@link Long}, pointers as JNA's
     *     types, text as {@link String}
     * @throws CudaException if the library has no such function
     */
    int call(String function, Object... arguments) {
        return find(function).invokeInt(arguments);
    }

    /** Calls a function that returns nothing. */
    void run(String function, Object... arguments) {
        find(function).invokeVoid(arguments);
    }

    /**
     * Sees to it that functions are there, before the first one is called.
     *
     * @throws CudaException if one is not
     */
    void require(List<String> functions) {
        functions.forEach(this::find);
    }

    /** Calls a function that returns text. */
    String text(String function, Object... arguments) {
        return find(function).invokeString(arguments, false);
    }

    /** Its file, or only its name where the system's search found it. */
    Path file() {
        return library.getFile().toPath();
    }

    private Function find(String function) {
        try {
            return library.getFunction(function);
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException(
                    library.getName() + ": no function `" + function + "`; another version?", e);
        }
    }
}
