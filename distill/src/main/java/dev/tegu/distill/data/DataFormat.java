package dev.tegu.distill.data;

/**
 * What a data file holds. Running text is read from any file; records from JSON lines, one JSON
 * array, or Parquet ({@code .parquet}), where a column is a field. A name that ends in {@code .gz}
 * is unpacked while it is read.
 */
public enum DataFormat {
    /** The whole file is one document of running text. */
    TEXT,
    /**
     * Records {@code {"text": ...}}, all of it trained on, or {@code {"prompt": ..., "completion":
     * ...}}, where only the completion is.
     */
    JSONL,
    /**
     * Records {@code {"instruction": ..., "input": ..., "output": ...}}; only the output is trained
     * on. {@link AlpacaPrompt} has the wording.
     */
    ALPACA,
    /**
     * Records {@code {"messages": [{"role": ..., "content": ...}, ...]}}, or ShareGPT's {@code
     * {"conversations": [{"from": ..., "value": ...}, ...]}}, written out by the model's own chat
     * template; only what the assistant says is trained on.
     */
    CHAT
}
