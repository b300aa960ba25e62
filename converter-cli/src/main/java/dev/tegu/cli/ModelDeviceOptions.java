package dev.tegu.cli;

import ai.djl.Device;
import dev.tegu.engine.Engines;
import dev.tegu.model.MemoryType;
import picocli.CommandLine.Option;

/** Where a command computes with a model, and in what type of numbers its weights are held. */
final class ModelDeviceOptions extends DeviceOptions {
    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            description =
                    "Type of the weights in memory: auto (the checkpoint's), float32, bfloat16 or"
                            + " float16; if not given, float32 on the CPU and auto on a GPU.")
    private MemoryType dtype;

    Device device() {
        return Engines.device(device);
    }

    /** What was asked for, or what suits the device: half a checkpoint stays half on a card. */
    MemoryType type(Device place) {
        if (dtype != null) {
            return dtype;
        }
        return place.isGpu() ? MemoryType.AUTO : MemoryType.FLOAT32;
    }
}
