package dev.tegu.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class OperatorProfileTest {
    @Test
    void timeOfWhatAnOperatorCallsIsNotItsOwn() throws IOException {
        Map<String, Double> self =
                OperatorProfile.self(
                        new JsonMapper()
                                .readTree(
                                        """
                                        [{"name": "inner", "tid": 1, "ts": 2, "dur": 3},
                                         {"name": "outer", "tid": 1, "ts": 0, "dur": 10},
                                         {"name": "inner", "tid": 1, "ts": 6, "dur": 2},
                                         {"name": "inner", "tid": 2, "ts": 1, "dur": 4},
                                         {"name": "last", "tid": 1, "ts": 10, "dur": 1}]
                                        """));

        assertEquals(9e-6, self.get("inner"), 1e-12);
        assertEquals(5e-6, self.get("outer"), 1e-12);
        assertEquals(1e-6, self.get("last"), 1e-12);
        assertEquals("inner", self.keySet().iterator().next());
    }

    @Test
    void largeProductTakesMostOfItsTime() throws IOException {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            NDArray a = manager.ones(new Shape(400, 400));
            a.matMul(a).close();

            OperatorProfile.Running running = OperatorProfile.begin();
            for (int i = 0; i < 20; i++) {
                a.matMul(a).close();
            }
            OperatorProfile profile = running.end();

            assertTrue(profile.selfSeconds().containsKey("aten::mm"), profile.toString());
            double share = profile.matrixProductShare();
            assertTrue(share > 0 && share <= 1.01, profile.toString());
        }
    }
}
