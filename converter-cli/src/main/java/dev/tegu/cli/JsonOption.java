package dev.tegu.cli;

import picocli.CommandLine.Option;

/** The option of commands whose result a program may read. */
class JsonOption {
    static final String HEADING = "%nOutput:%n";

    @Option(names = "--json", description = "Print the result as one JSON object.")
    boolean json;
}
