package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.DType;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes files as {@code torch.save} does, for tests without Python. */
public final class TorchFileWriter {
    private final Map<String, byte[]> entries = new LinkedHashMap<>();
    private final PickleWriter pickle;
    private final String wrapper;
    private boolean asParameters;
    private boolean deflated;
    private int storages;

    private TorchFileWriter(int protocol, String wrapper) {
        this.wrapper = wrapper;
        this.pickle = new PickleWriter(protocol).op('}', '(');
        if (!wrapper.isEmpty()) {
            pickle.text(wrapper).global("collections", "OrderedDict").op(')', 'R', '(');
        }
    }

    /** A dict of tensors. */
    public static TorchFileWriter flat() {
        return new TorchFileWriter(2, "");
    }

    /** The same in the newer protocol. */
    public static TorchFileWriter flatOfProtocol4() {
        return new TorchFileWriter(4, "");
    }

    /** A dict of tensors under a key, such as {@code model_state_dict}, with a step beside it. */
    public static TorchFileWriter wrapped(String wrapper) {
        return new TorchFileWriter(2, wrapper);
    }

    /** Tensors that follow are parameters, as {@code named_parameters} gives them. */
    public TorchFileWriter asParameters() {
        asParameters = true;
        return this;
    }

    /** Entries are compressed, as when a file is unpacked and packed again. */
    public TorchFileWriter deflated() {
        deflated = true;
        return this;
    }

    /** A contiguous tensor; BF16 cuts the values, so give values that fit. */
    public TorchFileWriter put(String name, DType dtype, long[] shape, float... values) {
        return raw(name, dtype, shape, bytes(dtype, values));
    }

    /** A contiguous tensor of the given bytes. */
    public TorchFileWriter raw(String name, DType dtype, long[] shape, byte[] bytes) {
        long[] strides = new long[shape.length];
        long step = 1;
        for (int i = shape.length - 1; i >= 0; i--) {
            strides[i] = step;
            step *= shape[i];
        }
        return tensor(name, dtype, 0, shape, strides, bytes);
    }

    /** A view of a storage of its own that holds all the values. */
    public TorchFileWriter view(
            String name, DType dtype, long offset, long[] shape, long[] strides, float... values) {
        return tensor(name, dtype, offset, shape, strides, bytes(dtype, values));
    }

    private TorchFileWriter tensor(
            String name, DType dtype, long offset, long[] shape, long[] strides, byte[] storage) {
        String key = String.valueOf(storages++);
        entries.put("archive/data/" + key, storage);
        pickle.text(name);
        if (asParameters) {
            pickle.global("torch._utils", "_rebuild_parameter").op('(');
        }
        int elements = storage.length / dtype.byteSize();
        pickle.tensor(storageClass(dtype), key, elements, offset, shape, strides);
        if (asParameters) {
            pickle.op(0x88).global("collections", "OrderedDict").op(')', 'R', 't', 'R');
        }
        return this;
    }

    /** A number beside the tensors of a flat file. */
    public TorchFileWriter scalar(String name, long value) {
        pickle.text(name).integer(value);
        return this;
    }

    /** Writes the file, once. */
    public Path write(Path path) throws IOException {
        if (!wrapper.isEmpty()) {
            pickle.op('u').text("step").integer(1600);
            pickle.text("distill/eval/loss").float64(0.125);
        }
        return archive(path, pickle.op('u').end(), entries, deflated);
    }

    /** Writes any pickle with any storages as an archive. */
    public static Path archive(
            Path path, byte[] pickle, Map<String, byte[]> entries, boolean deflated)
            throws IOException {
        Map<String, byte[]> all = new LinkedHashMap<>();
        all.put("archive/data.pkl", pickle);
        all.put("archive/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
        all.putAll(entries);
        all.putIfAbsent("archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
        zip(path, all, deflated);
        return path;
    }

    /** Writes a zip archive. */
    public static void zip(Path path, Map<String, byte[]> entries, boolean deflated)
            throws IOException {
        try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(path));
                ZipOutputStream zip = new ZipOutputStream(file)) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                byte[] data = entry.getValue();
                CRC32 crc = new CRC32();
                crc.update(data);
                ZipEntry header = new ZipEntry(entry.getKey());
                header.setMethod(deflated ? ZipEntry.DEFLATED : ZipEntry.STORED);
                header.setSize(data.length);
                header.setCrc(crc.getValue());
                header.setTime(0);
                // torch.save aligns the data with a field of this name
                header.setExtra(new byte[] {'F', 'B', 3, 0, 'Z', 'Z', 'Z'});
                zip.putNextEntry(header);
                zip.write(data);
                zip.closeEntry();
            }
        }
    }

    private static String storageClass(DType dtype) {
        return switch (dtype) {
            case F64 -> "DoubleStorage";
            case F32 -> "FloatStorage";
            case F16 -> "HalfStorage";
            case BF16 -> "BFloat16Storage";
            case I64 -> "LongStorage";
            case I32 -> "IntStorage";
            case I16 -> "ShortStorage";
            case I8 -> "CharStorage";
            case U8 -> "ByteStorage";
            case BOOL -> "BoolStorage";
        };
    }

    private static byte[] bytes(DType dtype, float[] values) {
        ByteBuffer out =
                ByteBuffer.allocate(values.length * dtype.byteSize())
                        .order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (dtype) {
                case F64 -> out.putDouble(value);
                case F32 -> out.putFloat(value);
                case F16 -> out.putShort(half(value));
                case BF16 -> out.putShort((short) (Float.floatToIntBits(value) >>> 16));
                case I64 -> out.putLong((long) value);
                case I32 -> out.putInt((int) value);
                case I16 -> out.putShort((short) value);
                case I8, U8, BOOL -> out.put((byte) value);
            }
        }
        return out.array();
    }

    /** Values that float16 holds exactly as normal numbers, and zero. */
    private static short half(float value) {
        int bits = Float.floatToIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        if (value == 0) {
            return (short) sign;
        }
        int exponent = ((bits >>> 23) & 0xff) - 127 + 15;
        return (short) (sign | exponent << 10 | (bits >>> 13) & 0x3ff);
    }
}
