package dev.tegu.cli.doctor;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.jna.NativeLibrary;
import dev.tegu.engine.CudaHost;
import dev.tegu.engine.DeviceException;
import dev.tegu.engine.Engines;
import dev.tegu.engine.MatrixProduct;
import dev.tegu.engine.cuda.Nvrtc;
import dev.tegu.model.TeguVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What the program found out about this machine: facts in one object, the same for a person, and
 * whether it can be used.
 */
public final class Diagnosis {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private final ObjectNode json = NODES.objectNode();
    private final List<String> lines = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    private Diagnosis() {}

    /** Looks at everything; takes some seconds. */
    public static Diagnosis make() {
        Diagnosis diagnosis = new Diagnosis();
        diagnosis.versions();
        diagnosis.disk();
        diagnosis.cuda(CudaHost.look());
        diagnosis.engine();
        return diagnosis;
    }

    /** The facts, {@code usable} and {@code faults}. */
    public ObjectNode json() {
        ObjectNode all = json.deepCopy();
        all.put("usable", isUsable());
        faults.forEach(all.putArray("faults")::add);
        return all;
    }

    /** The same for a person. */
    public List<String> lines() {
        List<String> all = new ArrayList<>(lines);
        faults.forEach(fault -> all.add("fault: " + fault));
        all.add(isUsable() ? "usable" : "not usable");
        return all;
    }

    /** Whether a run would work, on the CPU at least, and no device that is there is broken. */
    public boolean isUsable() {
        return faults.isEmpty();
    }

    private void versions() {
        ObjectNode versions = json.putObject("versions");
        versions.put("tegu", TeguVersion.NUMBER);
        versions.put("java", System.getProperty("java.version"));
        versions.put(
                "os",
                (System.getProperty("os.name") + " " + System.getProperty("os.version"))
                        + (" " + System.getProperty("os.arch")));
        glibc().ifPresent(version -> versions.put("glibc", version));
        String bridge = Engines.bridgeVersion();
        versions.put("bridge", bridge);
        lines.add(
                ("tegu " + TeguVersion.NUMBER + ", Java " + System.getProperty("java.version"))
                        + (", " + versions.path("os").asText())
                        + glibc().map(version -> ", glibc " + version).orElse(""));
    }

    private static Optional<String> glibc() {
        try {
            return Optional.of(
                    NativeLibrary.getInstance("libc.so.6")
                            .getFunction("gnu_get_libc_version")
                            .invokeString(new Object[0], false));
        } catch (UnsatisfiedLinkError e) {
            return Optional.empty(); // another system's C library
        }
    }

    private void disk() {
        Path here = Path.of("").toAbsolutePath();
        try {
            long free = Files.getFileStore(here).getUsableSpace();
            json.putObject("disk").put("folder", here.toString()).put("free_bytes", free);
            lines.add("disk: " + gigabytes(free) + " free at " + here);
        } catch (IOException e) {
            faults.add(here + ": free space is not told: " + e.getMessage());
        }
    }

    private void cuda(CudaHost host) {
        ObjectNode cuda = json.putObject("cuda");
        host.driver().ifPresent(version -> cuda.put("driver", CudaHost.version(version)));
        host.runtime().ifPresent(version -> cuda.put("runtime", CudaHost.version(version)));
        lines.add(
                "CUDA: "
                        + (host.driver().isPresent()
                                ? "driver for " + CudaHost.version(host.driver().getAsInt())
                                : "no driver")
                        + ", "
                        + (host.runtime().isPresent()
                                ? "runtime " + CudaHost.version(host.runtime().getAsInt())
                                : "no runtime library"));
    }

    private void engine() {
        ObjectNode engine = json.putObject("engine");
        try {
            Device cpu = Engines.device("cpu");
            engine.put("libtorch", Engines.libtorchVersion());
            engine.put("folder", Engines.libraryFolder().toString());
            engine.put("build", Engines.isCudaBuild() ? "CUDA" : "CPU");
            lines.add(
                    ("engine: libtorch " + Engines.libtorchVersion())
                            + (Engines.isCudaBuild() ? " for CUDA, " : " for the CPU, ")
                            + ("bridge " + Engines.bridgeVersion() + ", in ")
                            + Engines.libraryFolder());
            device(DeviceCheck.of(cpu));
        } catch (DeviceException e) {
            faults.add(e.getMessage());
            return;
        }
        if (Engines.cudaDevices() > 0) {
            nvrtc();
        } else {
            String reason = Engines.whyNoCuda();
            json.withObject("/cuda").put("reason_against", reason);
            lines.add("no GPU: " + reason);
        }
        for (int i = 0; i < Engines.cudaDevices(); i++) {
            device(DeviceCheck.of(Device.gpu(i)));
        }
    }

    private void nvrtc() {
        Optional<String> reason = Nvrtc.reasonAgainst();
        String found = reason.isPresent() ? reason.get() : Nvrtc.get().version();
        json.withObject("/cuda").put(reason.isPresent() ? "no_nvrtc" : "nvrtc", found);
        lines.add(reason.isPresent() ? found : "NVRTC " + found);
    }

    private void device(DeviceCheck device) {
        ObjectNode node = json.withArray("devices").addObject();
        node.put("name", device.name()).put("hardware", device.hardware());
        device.capability().ifPresent(value -> node.put("compute_capability", value));
        node.put("memory_total_bytes", device.totalBytes());
        node.put("memory_free_bytes", device.freeBytes());
        lines.add(
                (device.name() + ": " + device.hardware())
                        + device.capability()
                                .map(value -> ", compute capability " + value)
                                .orElse("")
                        + (", " + gigabytes(device.freeBytes()) + " of ")
                        + (gigabytes(device.totalBytes()) + " free"));
        ObjectNode products = node.putObject("matrix_product_teraflops");
        for (MatrixProduct product : device.products()) {
            products.put(product.type(), product.teraflops());
            lines.add(
                    String.format(
                            Locale.ROOT,
                            "  %s: %,d x %,d matrices at %.3g TFLOP/s, off by %.0e",
                            product.type(),
                            product.size(),
                            product.size(),
                            product.teraflops(),
                            product.error()));
        }
        device.kernel()
                .ifPresent(
                        text -> {
                            node.put("attention_kernel", text);
                            lines.add("  fused attention kernel: used; " + text);
                        });
        device.noKernel()
                .ifPresent(
                        reason -> {
                            node.put("no_attention_kernel", reason);
                            lines.add("  fused attention kernel: not used, " + reason);
                        });
        if (device.capability().isPresent()) {
            node.put("cuda_graphs", device.noGraph().isEmpty());
            device.noGraph().ifPresent(reason -> node.put("no_cuda_graphs", reason));
            lines.add(
                    "  CUDA graphs: "
                            + device.noGraph()
                                    .map(reason -> "not used, " + reason)
                                    .orElse("recorded and launched"));
        }
        device.faults().forEach(fault -> faults.add(device.name() + ": " + fault));
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.1f GB", bytes * 1e-9);
    }
}
