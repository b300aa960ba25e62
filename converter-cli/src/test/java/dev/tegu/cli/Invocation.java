package dev.tegu.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/** One run of the program inside the test's process, with what it wrote. */
record Invocation(int exitCode, String out, String err) {
    static Invocation of(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int exitCode = Tegu.run(arguments, new PrintWriter(out), new PrintWriter(err));
        return new Invocation(exitCode, out.toString(), err.toString());
    }
}
