package dev.tegu.engine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Builds a TorchScript archive from source text, in memory and without Python.
 *
 * <p>An archive is a stored zip of {@code ops/code/__torch__.py} (the class), {@code ops/data.pkl}
 * (one instance of it, whose fields are our constants), {@code ops/constants.pkl} (nothing) and
 * {@code ops/version}. The kernels of the project stay readable text, and settings such as the
 * window size reach them as fields, so a call passes tensors alone.
 *
 * <p>The version is the current one: under an older number operators keep their old meaning.
 *
 * <p>Source: the serialization notes of PyTorch ({@code torch/csrc/jit/docs/serialization.md}) and
 * pickle protocol 2.
 */
final class TorchScriptArchive {
    private static final String CLASS = "Ops";

    private TorchScriptArchive() {}

    /**
     * @param methods TorchScript methods, indented by two blanks, each taking {@code self}
     * @param constants fields of {@code self}: {@link Boolean}, {@link Long}, {@link Double},
     *     {@link String}, or an empty {@link TorchScript.Holder}
     * @return the bytes of the archive
     */
    static byte[] build(String methods, Map<String, Object> constants) {
        StringBuilder source =
                new StringBuilder("class " + CLASS + "(Module):\n")
                        .append("  __parameters__ = []\n  __buffers__ = []\n  training : bool\n");
        constants.forEach((name, value) -> source.append("  " + name + " : " + type(value) + "\n"));
        String self = "self: __torch__." + CLASS;
        source.append(methods.replace("self,", self + ",").replace("(self)", "(" + self + ")"));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            store(zip, "ops/data.pkl", instance(constants));
            store(zip, "ops/code/__torch__.py", source.toString().getBytes(StandardCharsets.UTF_8));
            store(zip, "ops/constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
            store(zip, "ops/version", "10\n".getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static String type(Object value) {
        if (value instanceof Boolean) {
            return "bool";
        }
        if (value instanceof Long) {
            return "int";
        }
        if (value instanceof Double) {
            return "float";
        }
        if (value instanceof String) {
            return "str";
        }
        if (value instanceof TorchScript.Holder holder) {
            return holder.type;
        }
        throw new IllegalArgumentException("a script constant cannot be a " + value.getClass());
    }

    private static byte[] instance(Map<String, Object> constants) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(new byte[] {(byte) 0x80, 2});
        out.writeBytes(("c__torch__\n" + CLASS + "\n").getBytes(StandardCharsets.US_ASCII));
        out.writeBytes(new byte[] {')', (byte) 0x81, '}', '('});
        pickle(out, "training");
        pickle(out, false);
        constants.forEach(
                (name, value) -> {
                    pickle(out, name);
                    pickle(out, value);
                });
        out.writeBytes(new byte[] {'u', 'b', '.'});
        return out.toByteArray();
    }

    private static void pickle(ByteArrayOutputStream out, Object value) {
        if (value instanceof Boolean b) {
            out.write(b ? 0x88 : 0x89);
        } else if (value instanceof Long n) {
            out.write('J');
            out.writeBytes(little(4).putInt(Math.toIntExact(n)).array());
        } else if (value instanceof Double x) {
            out.write('G');
            out.writeBytes(ByteBuffer.allocate(8).putDouble(x).array());
        } else if (value instanceof TorchScript.Holder holder) {
            out.write(holder.empty);
        } else {
            byte[] text = ((String) value).getBytes(StandardCharsets.UTF_8);
            out.write('X');
            out.writeBytes(little(4).putInt(text.length).array());
            out.writeBytes(text);
        }
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void store(ZipOutputStream zip, String name, byte[] data) throws IOException {
        CRC32 crc = new CRC32();
        crc.update(data);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(data.length);
        entry.setCompressedSize(data.length);
        entry.setCrc(crc.getValue());
        entry.setTime(0);
        zip.putNextEntry(entry);
        zip.write(data);
        zip.closeEntry();
    }
}
