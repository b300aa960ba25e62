package dev.tegu.cli.bench;

import ai.djl.Device;
import dev.tegu.engine.Engines;
import dev.tegu.model.DecodeWorkload;
import dev.tegu.model.DecoderModel;
import java.io.IOException;

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
            try (DecodeWorkload first =
                    new DecodeWorkload(model, job.batchSize(), warmUp(job, device))) {
                first.prefill();
                first.decode(WARM_UP);
                first.synchronize();
            }
            for (int context : job.contexts()) {
                meter.reset();
                points.accept(point(job, model, context, meter));
            }
        }
    }

    /**
     * Tokens of the context that is read first. A card's clock falls by some percent once it has
     * read long contexts, so that without one before them the first points would look faster.
     */
    private static int warmUp(SpeedJob job, Device device) {
        int longest =
                job.contexts().stream()
                        .filter(context -> context <= job.prefillUpTo())
                        .max(Integer::compare)
                        .orElse(WARM_UP_CONTEXT);
        return device.isGpu() ? longest : WARM_UP_CONTEXT;
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
