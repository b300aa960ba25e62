package dev.tegu.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** What a file that is not what its name says really is, told by its first bytes. */
public enum FileKind {
    EMPTY("the file is empty; the download may have failed: fetch it again"),
    GIT_LFS_POINTER(
            "begins with a Git LFS pointer; the weights were not downloaded: run `git lfs pull` in"
                    + " that folder, or fetch the file again"),
    HTML(
            "is an HTML page; the download may have saved a login or error page: fetch the file"
                    + " again with the repository's own client"),
    TORCH_ZIP(
            "is a zip archive, as PyTorch saves; if torch.save wrote it, name it pytorch_model.bin to"
                    + " have it read"),
    PICKLE(
            "is a Python pickle, as old PyTorch saves; convert it with transformers:"
                    + " `model.save_pretrained(folder, safe_serialization=True)`"),
    GGUF("is a GGUF file; use the checkpoint it was made from"),
    OTHER("");

    private static final int PROBE_BYTES = 64;

    private final String explanation;

    FileKind(String explanation) {
        this.explanation = explanation;
    }

    /** What it is and the next step; empty for {@link #OTHER}. */
    public String explanation() {
        return explanation;
    }

    /** The explanation in brackets, to stand inside another message; empty for {@link #OTHER}. */
    String because() {
        return this == OTHER ? "" : " (" + explanation + ")";
    }

    static FileKind of(Path file) throws IOException {
        byte[] start;
        try (InputStream in = Files.newInputStream(file)) {
            start = in.readNBytes(PROBE_BYTES);
        }
        return of(start);
    }

    /** What a file is that begins with these bytes. */
    public static FileKind of(byte[] start) {
        String text = new String(start, StandardCharsets.ISO_8859_1);
        String lower = text.stripLeading().toLowerCase(Locale.ROOT);
        if (start.length == 0) {
            return EMPTY;
        }
        if (text.startsWith("version https://git-lfs")) {
            return GIT_LFS_POINTER;
        }
        if (lower.startsWith("<!doctype")
                || lower.startsWith("<html")
                || lower.startsWith("<?xml")) {
            return HTML;
        }
        if (text.startsWith("PK\u0003\u0004")) {
            return TORCH_ZIP;
        }
        if (text.startsWith("GGUF")) {
            return GGUF;
        }
        boolean isPickle = start.length > 2 && (start[0] & 0xFF) == 0x80 && start[1] <= 5;
        // A header length of 0x80 + 256 n bytes looks alike but is followed by zeros and `{`.
        return isPickle && !(start.length > 8 && start[8] == '{') ? PICKLE : OTHER;
    }
}
