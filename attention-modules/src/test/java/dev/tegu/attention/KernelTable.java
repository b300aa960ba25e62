package dev.tegu.attention;

import ai.djl.Device;
import dev.tegu.engine.Engines;
import java.util.Comparator;
import java.util.Map;

/**
 * What {@link FusedKernelTest} tests, as a table and without JUnit, for a machine that has only a
 * class path. Ends with 1 if anything is wrong.
 */
public final class KernelTable {
    private KernelTable() {}

    /**
     * @param args device, {@code auto} if there is none
     */
    public static void main(String[] args) {
        Device device = Engines.device(args.length == 0 ? "auto" : args[0]);
        System.out.println(device);
        int wrong = 0;
        for (KernelCase variant : KernelCase.all()) {
            long start = System.nanoTime();
            try {
                Map<Integer, Map<String, KernelCheck.Distance>> found = variant.distances(device);
                System.out.printf(
                        "%s (%d s)%n", variant, (System.nanoTime() - start) / 1_000_000_000);
                for (Map.Entry<Integer, Map<String, KernelCheck.Distance>> entry :
                        found.entrySet()) {
                    wrong += print(entry.getKey(), entry.getValue());
                }
            } catch (RuntimeException e) {
                System.out.println(variant + ": " + e);
                wrong++;
            }
        }
        System.out.println(wrong == 0 ? "all right" : wrong + " wrong");
        System.exit(wrong == 0 ? 0 : 1);
    }

    /** One line; 1 if something in it is wrong. */
    private static int print(int length, Map<String, KernelCheck.Distance> found) {
        String text;
        int wrong = 0;
        try {
            KernelCheck.describe("", found);
            Map.Entry<String, KernelCheck.Distance> worst =
                    found.entrySet().stream()
                            .max(Comparator.comparingDouble(e -> e.getValue().error()))
                            .orElseThrow();
            text = "worst %.1e %s".formatted(worst.getValue().error(), worst.getKey());
        } catch (IllegalStateException e) {
            text = "WRONG " + e.getMessage();
            wrong = 1;
        }
        System.out.printf("  T %4d  output %.1e  %s%n", length, found.get("output").error(), text);
        return wrong;
    }
}
