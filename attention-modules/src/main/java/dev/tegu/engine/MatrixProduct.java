package dev.tegu.engine;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Map;

/**
 * A matrix product on a device, to see that it is computed and about how fast.
 *
 * @param type float32, bfloat16 or float16
 * @param size rows and columns of each matrix
 * @param teraflops 2 n^3 operations a product, in 10^12 a second
 * @param error root mean square of the difference from the product in float64 on the CPU, over that
 *     of the product
 */
public record MatrixProduct(String type, int size, double teraflops, double error) {
    /** Types that models are held in, with TorchScript's numbers. */
    private static final Map<String, Long> TYPES =
            Map.of("float32", 6L, "bfloat16", 15L, "float16", 5L);

    /** Bound of the error by type: some roundings of the inputs. */
    private static final Map<String, Double> BOUNDS =
            Map.of("float32", 2e-3, "bfloat16", 2e-2, "float16", 2e-3);

    private static final int CHECKED = 256;
    private static final int ON_CPU = 512;
    private static final int ON_CARD = 4096;

    /** Products between two readings of the clock. */
    private static final int TIMES_ON_CARD = 20;

    private static final int TIMES_ON_CPU = 2;

    /**
     * Measures one type; takes some hundredths of a second and, on a card, 300 MB.
     *
     * @throws ai.djl.engine.EngineException if the device does not compute with it
     */
    public static MatrixProduct measure(Device device, String type) {
        int size = device.isGpu() ? ON_CARD : ON_CPU;
        int times = device.isGpu() ? TIMES_ON_CARD : TIMES_ON_CPU;
        try (TorchScript script =
                        TorchScript.load(
                                MatrixProduct.class,
                                "matrix_product.py",
                                Map.of("dtype", TYPES.get(type)));
                NDManager manager = Engines.newManager(device)) {
            double error = error(script, manager);
            NDArray a = random(manager, size);
            NDArray b = random(manager, size);
            // Once to warm up; reading a number waits for the device.
            run(script, a, b, times);
            long begin = System.nanoTime();
            run(script, a, b, times);
            double seconds = (System.nanoTime() - begin) * 1e-9;
            return new MatrixProduct(
                    type, size, 2.0 * size * size * size * times / seconds * 1e-12, error);
        }
    }

    /** Whether the product was right. */
    public boolean isRight() {
        return error <= BOUNDS.get(type);
    }

    private static NDArray random(NDManager manager, int size) {
        return manager.randomNormal(0, 1, new Shape(size, size), DataType.FLOAT32);
    }

    private static void run(TorchScript script, NDArray a, NDArray b, int times) {
        try (NDArray product = product(script, a, b, times);
                NDArray corner = product.get("0,0")) {
            corner.toFloatArray();
        }
    }

    private static NDArray product(TorchScript script, NDArray a, NDArray b, int times) {
        // The number stays on the CPU, where the script reads it without waiting for a card.
        try (NDManager cpu = Engines.newManager(Device.cpu());
                NDArray count = cpu.create((long) times)) {
            return script.call("product", new TorchScript.Arguments().add(a).add(b).add(count))
                    .get(0);
        }
    }

    private static double error(TorchScript script, NDManager manager) {
        NDArray a = random(manager, CHECKED);
        NDArray b = random(manager, CHECKED);
        float[] found = product(script, a, b, 1).toFloatArray();
        float[] left = a.toFloatArray();
        float[] right = b.toFloatArray();
        double off = 0;
        double all = 0;
        for (int i = 0; i < CHECKED; i++) {
            for (int j = 0; j < CHECKED; j++) {
                double sum = 0;
                for (int k = 0; k < CHECKED; k++) {
                    sum += (double) left[i * CHECKED + k] * right[k * CHECKED + j];
                }
                double difference = found[i * CHECKED + j] - sum;
                off += difference * difference;
                all += sum * sum;
            }
        }
        return Math.sqrt(off / all);
    }
}
