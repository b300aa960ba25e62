package dev.tegu.cli.pipeline;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/**
 * What a training will take of a card, beside the context that CUDA itself makes there.
 *
 * @param device for example {@code cuda:0}
 * @param name the card's
 * @param totalBytes memory of the card
 * @param freeBytes what of it was free before the model was loaded
 * @param weightBytes frozen weights
 * @param trainedBytes trained values, gradients and moments
 * @param peakBytes most that was held while a batch of each stage was computed, and what a run adds
 */
record CardMemory(
        String device,
        String name,
        long totalBytes,
        long freeBytes,
        long weightBytes,
        long trainedBytes,
        long peakBytes) {

    /** What is neither weights nor trained state. */
    long activationBytes() {
        return Math.max(0, peakBytes - weightBytes - trainedBytes);
    }

    /** Under {@code card_memory_bytes}. */
    void addTo(ObjectNode json) {
        json.putObject("card_memory_bytes")
                .put("device", device)
                .put("name", name)
                .put("total", peakBytes)
                .put("weights", weightBytes)
                .put("trained_state", trainedBytes)
                .put("activations", activationBytes())
                .put("free_before", freeBytes)
                .put("card", totalBytes);
    }

    /** One line for a person. */
    String line() {
        String line =
                String.format(
                        Locale.ROOT,
                        "memory on %s (%s): about %s at its peak: %s weights, %s trained state with"
                                + " gradients and moments, %s activations and what libtorch keeps"
                                + " for the next step; %s of %s were free",
                        device,
                        name,
                        megabytes(peakBytes),
                        megabytes(weightBytes),
                        megabytes(trainedBytes),
                        megabytes(activationBytes()),
                        megabytes(freeBytes),
                        megabytes(totalBytes));
        return peakBytes > freeBytes ? line + ": it will not fit" : line;
    }

    private static String megabytes(long count) {
        return String.format(Locale.ROOT, "%,d MB", (count + 999_999) / 1_000_000);
    }
}
