package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.FileBytes;
import dev.tegu.checkpoint.FileKind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** Says what a file is that {@code torch.save} of PyTorch 1.6 and newer did not write. */
final class NotTorchFile {
    /** Where a tar archive has its magic number, and a little more. */
    private static final int PROBE_BYTES = 512;

    private static final int TAR_MAGIC = 257;

    /** The pickle of PyTorch's magic number, with which its files began before 1.6. */
    private static final byte[] OLD_MAGIC = {
        (byte) 0x8a,
        10,
        0x6c,
        (byte) 0xfc,
        (byte) 0x9c,
        0x46,
        (byte) 0xf9,
        0x20,
        0x6a,
        (byte) 0xa8,
        0x50,
        0x19
    };

    /** After the protocol. */
    private static final int OLD_MAGIC_START = 2;

    private static final String SAVE_AGAIN =
            "; save it again with a newer one: `torch.save(torch.load(file, map_location='cpu',"
                    + " weights_only=True), new_file)`";

    private NotTorchFile() {}

    /**
     * @throws CheckpointException if the file does not begin as a zip archive
     */
    static void refuse(Path path) throws IOException {
        byte[] start;
        try (InputStream in = Channels.newInputStream(FileBytes.open(path))) {
            start = in.readNBytes(PROBE_BYTES);
        }
        FileKind kind = FileKind.of(start);
        if (kind != FileKind.TORCH_ZIP) {
            throw new CheckpointException(
                    path.getFileName() + ": not a file of torch.save: " + explain(kind, start));
        }
    }

    private static String explain(FileKind kind, byte[] start) {
        String text = new String(start, StandardCharsets.ISO_8859_1);
        if (kind == FileKind.PICKLE) {
            int end = OLD_MAGIC_START + OLD_MAGIC.length;
            byte[] magic = Arrays.copyOfRange(start, OLD_MAGIC_START, end);
            return Arrays.equals(magic, OLD_MAGIC)
                    ? "was saved by PyTorch before 1.6, or in its old form" + SAVE_AGAIN
                    : "is a Python pickle, which is not read since it can run any code; save a"
                            + " dict of tensors with torch.save";
        }
        if (text.startsWith("ustar", Math.min(TAR_MAGIC, text.length()))) {
            return "is a tar archive, as PyTorch saved before 0.1.10" + SAVE_AGAIN;
        }
        if (kind == FileKind.OTHER && start.length > 8 && start[8] == '{') {
            return "is a safetensors file; a file of torch.save is read here";
        }
        return kind == FileKind.OTHER
                ? "does not begin as a zip archive; check that this is the right file"
                : kind.explanation();
    }
}
