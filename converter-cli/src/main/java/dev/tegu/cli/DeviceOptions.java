package dev.tegu.cli;

import picocli.CommandLine.Option;

/** Where a command computes. */
class DeviceOptions {
    @Option(
            names = "--device",
            paramLabel = "NAME",
            description =
                    "auto, cpu, cuda or cuda:N; auto, if not given, takes a GPU if there is one.")
    String device = "auto";
}
