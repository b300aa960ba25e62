package dev.tegu.distill.data;

/** How a data file is written. */
public enum DataFormat {
    /** The whole file is one document of running text. */
    TEXT,
    /**
     * One JSON object a line: {@code {"text": ...}}, all of it trained on, or {@code {"prompt":
     * ..., "completion": ...}}, where only the completion is.
     */
    JSONL,
    /**
     * Objects {@code {"instruction": ..., "input": ..., "output": ...}}, one JSON array or one
     * object a line; only the output is trained on. {@link AlpacaPrompt} has the wording.
     */
    ALPACA
}
