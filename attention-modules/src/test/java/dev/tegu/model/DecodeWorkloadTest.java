package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DecodeWorkloadTest {
    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lizard", "lolcats", "gla", "window-only", "no-attention"})
    void aFilledContextIsAsLargeAsOneThatWasRead(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                DecodeWorkload read = new DecodeWorkload(model, 3, 30);
                DecodeWorkload filled = new DecodeWorkload(model, 3, 30)) {
            read.prefill();
            filled.fill();
            assertEquals(read.stateBytes(), filled.stateBytes());
            for (DecodeWorkload work : new DecodeWorkload[] {read, filled}) {
                work.decode(40);
                work.synchronize();
            }
            assertEquals(read.stateBytes(), filled.stateBytes());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lizard"})
    void contextsMayBeLongerThanTheModelKnows(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                DecodeWorkload work = new DecodeWorkload(model, 1, 5000)) {
            assertTrue(model.maxPositions() < 5000);
            work.fill();
            work.decode(2);
            work.synchronize();
        }
    }

    @Test
    void statesDoNotGrowWithTheContextAndCachesDo() throws Exception {
        long[] teacher = new long[2];
        long[] student = new long[2];
        for (int i = 0; i < 2; i++) {
            int context = i == 0 ? 100 : 1000;
            try (DecoderModel model = TinyStudents.of("teacher");
                    DecodeWorkload work = new DecodeWorkload(model, 2, context)) {
                work.fill();
                teacher[i] = work.stateBytes();
            }
            try (DecoderModel model = TinyStudents.of("lolcats");
                    DecodeWorkload work = new DecodeWorkload(model, 2, context)) {
                work.fill();
                student[i] = work.stateBytes();
            }
        }
        assertEquals(student[0], student[1]);
        // 3 layers of 2 key/value heads, keys and values of 4 float32, 2 rows
        assertEquals(900L * 3 * 2 * 2 * 4 * Float.BYTES * 2, teacher[1] - teacher[0]);
    }

    @Test
    void methodsThatGoLayerByLayerAreTimedToo() throws Exception {
        try (DecoderModel model = TinyStudents.of("window-sinks");
                DecodeWorkload work = new DecodeWorkload(model, 2, 600)) {
            assertThrows(IllegalStateException.class, () -> work.decode(1));
            work.fill();
            work.decode(3);
            work.synchronize();
            long bytes = work.stateBytes();
            work.prefill();
            assertEquals(bytes, work.stateBytes());
        }
        String mixed = "{window: {size: 4, keep_first: 1}, keep_softmax: [1]}";
        try (DecoderModel model = TinyStudents.of(mixed);
                DecodeWorkload work = new DecodeWorkload(model, 2, 60)) {
            assertThrows(IllegalStateException.class, work::fill);
            work.prefill();
            work.decode(3);
            work.synchronize();
        }
    }
}
