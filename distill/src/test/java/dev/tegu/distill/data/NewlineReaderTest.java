package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import org.junit.jupiter.api.Test;

class NewlineReaderTest {
    @Test
    void everyLineEndBecomesOneLineFeedWhereverTheBufferEnds() throws IOException {
        String text = "a\r\nb\rc\n\r\n\r\rd\r";
        for (int size = 1; size <= text.length(); size++) {
            NewlineReader reader = new NewlineReader(new BufferedReader(new StringReader(text), 1));
            StringBuilder out = new StringBuilder();
            char[] buffer = new char[size];
            for (int n = reader.read(buffer, 0, size); n >= 0; n = reader.read(buffer, 0, size)) {
                out.append(buffer, 0, n);
            }

            assertEquals("a\nb\nc\n\n\n\nd\n", out.toString(), "buffer of " + size);
        }
    }
}
