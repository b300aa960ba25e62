package dev.tegu.cli;

import java.util.LinkedHashMap;
import java.util.Map;

/** What a command's exit code says; part of the contract with scripts. */
final class ExitCode {
    static final int DONE = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int CONFIG = 3;
    static final int INPUT = 4;
    static final int VERIFICATION = 5;

    /** What the JVM itself exits with after SIGINT: 128 and the signal's number. */
    static final int INTERRUPTED = 130;

    /** The same after SIGTERM. */
    static final int TERMINATED = 143;

    private ExitCode() {}

    /** Code and meaning, in the order of the codes, for the end of every help text. */
    static Map<String, String> meanings() {
        Map<String, String> meanings = new LinkedHashMap<>();
        meanings.put(" " + DONE, "done");
        meanings.put(" " + FAILED, "failed");
        meanings.put(" " + USAGE, "wrong usage of the command line");
        meanings.put(" " + CONFIG, "bad configuration");
        meanings.put(" " + INPUT, "bad, missing or unreadable input file");
        meanings.put(" " + VERIFICATION, "verification failed");
        meanings.put(INTERRUPTED + "", "interrupted");
        meanings.put(TERMINATED + "", "terminated");
        return meanings;
    }
}
