package dev.tegu.cli.doctor;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import dev.tegu.attention.FusedAttention;
import dev.tegu.engine.Engines;
import dev.tegu.engine.MatrixProduct;
import dev.tegu.engine.MemoryShortage;
import dev.tegu.engine.cuda.CudaDevice;
import dev.tegu.engine.cuda.CudaException;
import dev.tegu.engine.cuda.CudaGraph;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One device, tried.
 *
 * @param name {@code cpu} or {@code cuda:N}
 * @param hardware the card's name; of the CPU its number of processors
 * @param capability compute capability, such as {@code 9.0}; empty of the CPU
 * @param totalBytes memory; of the CPU the machine's
 * @param freeBytes what of it nobody holds
 * @param products matrix products that came out right
 * @param kernel what checking the fused attention kernel said; empty where it is not used
 * @param noKernel why it is not used; empty where it is
 * @param noGraph why tokens are not launched as CUDA graphs; empty where they are, and of the CPU
 * @param faults what does not work
 */
record DeviceCheck(
        String name,
        String hardware,
        Optional<String> capability,
        long totalBytes,
        long freeBytes,
        List<MatrixProduct> products,
        Optional<String> kernel,
        Optional<String> noKernel,
        Optional<String> noGraph,
        List<String> faults) {
    private static final List<String> TYPES = List.of("float32", "bfloat16", "float16");

    static DeviceCheck of(Device device) {
        List<MatrixProduct> products = new ArrayList<>();
        List<String> faults = new ArrayList<>();
        for (String type : TYPES) {
            try {
                MatrixProduct product = MatrixProduct.measure(device, type);
                if (product.isRight()) {
                    products.add(product);
                } else {
                    faults.add(type + ": a matrix product is off by " + product.error());
                }
            } catch (EngineException e) {
                faults.add(type + ": no matrix product: " + firstLine(e));
            }
        }
        return device.isGpu() ? card(device, products, faults) : cpu(products, faults);
    }

    private static DeviceCheck cpu(List<MatrixProduct> products, List<String> faults) {
        long total = 0;
        long free = 0;
        if (ManagementFactory.getOperatingSystemMXBean()
                instanceof com.sun.management.OperatingSystemMXBean system) {
            total = system.getTotalMemorySize();
            free = system.getFreeMemorySize();
        }
        return new DeviceCheck(
                "cpu",
                Runtime.getRuntime().availableProcessors() + " processors",
                Optional.empty(),
                total,
                free,
                products,
                Optional.empty(),
                Optional.of("the kernel is for CUDA"),
                Optional.empty(),
                faults);
    }

    private static DeviceCheck card(
            Device device, List<MatrixProduct> products, List<String> faults) {
        CudaDevice card = CudaDevice.of(device);
        CudaDevice.Memory memory = card.memory();
        Optional<String> kernel = Optional.empty();
        Optional<String> noKernel = Optional.empty();
        try {
            kernel = Optional.of(FusedAttention.selfCheck(device));
        } catch (CudaException | EngineException | IllegalStateException e) {
            noKernel = Optional.of(firstLine(e));
        }
        return new DeviceCheck(
                Engines.nameOf(device),
                card.name(),
                Optional.of(card.capability() / 10 + "." + card.capability() % 10),
                memory.totalBytes(),
                memory.freeBytes(),
                products,
                kernel,
                noKernel,
                CudaGraph.reasonAgainst(device),
                faults);
    }

    private static String firstLine(Exception e) {
        return MemoryShortage.in(e)
                .map(MemoryShortage::describe)
                .orElseGet(() -> String.valueOf(e.getMessage()).lines().findFirst().orElse("?"));
    }
}
