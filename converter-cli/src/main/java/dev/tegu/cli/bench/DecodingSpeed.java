package dev.tegu.cli.bench;

import ai.djl.Device;
import dev.tegu.engine.Engines;
import dev.tegu.model.DecodeWorkload;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.util.List;

/** Reads and continues random texts of growing length. */
final class DecodingSpeed {
    /** Tokens that are decoded before those that count. */
    private static final int WARM_UP = 4;

    private static final int WARM_UP_CONTEXT = 64;

    /** Takes each point once it is measured. */
    interface Points {
        void accept(DecodePoint point) throws IOException;
    }

    private DecodingSpeed() {}

    static void measure(SpeedJob job, Points points) throws IOException {
        Device device = Engines.device(job.device());
        MemoryMeter meter = MemoryMeter.of(device);
        try (DecoderModel model = job.model()) {
            for (int context : warmUps(job, device)) {
                try (DecodeWorkload first = new DecodeWorkload(model, job.batchSize(), context)) {
                    first.prefill();
                    first.decode(WARM_UP);
                    first.synchronize();
                }
            }
            for (int context : job.contexts()) {
                meter.reset();
                points.accept(point(job, model, context, meter));
            }
        }
    }

    /**
     * Contexts that are read and continued before those that count. The longest that will be read
     * comes first, for the memory that reading takes. On a card the first three decoders of a
     * process are 5 to 7 percent faster than all that follow, whatever their contexts: they must
     * not stand in one table with the others.
     */
    private static List<Integer> warmUps(SpeedJob job, Device device) {
        if (!device.isGpu()) {
            return List.of(WARM_UP_CONTEXT);
        }
        int longest =
                job.contexts().stream()
                        .filter(context -> context <= job.prefillUpTo())
                        .max(Integer::compare)
                        .orElse(WARM_UP_CONTEXT);
        return List.of(longest, WARM_UP_CONTEXT, WARM_UP_CONTEXT, WARM_UP_CONTEXT);
    }

    private static DecodePoint point(
            SpeedJob job, DecoderModel model, int context, MemoryMeter meter) throws IOException {
        try (DecodeWorkload work = new DecodeWorkload(model, job.batchSize(), context)) {
            Double prefill = null;
            if (context <= job.prefillUpTo()) {
                long begin = System.nanoTime();
                work.prefill();
                work.synchronize();
                prefill = (double) job.batchSize() * context / seconds(begin);
            } else {
                work.fill();
            }
            work.decode(WARM_UP);
            work.synchronize();
            long begin = System.nanoTime();
            work.decode(job.decodeTokens());
            work.synchronize();
            double decode = (double) job.batchSize() * job.decodeTokens() / seconds(begin);
            return new DecodePoint(
                    job.name(),
                    context,
                    prefill,
                    decode,
                    work.stateBytes(),
                    meter.isCounted() ? meter.peakBytes() : null);
        }
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) * 1e-9;
    }
}
