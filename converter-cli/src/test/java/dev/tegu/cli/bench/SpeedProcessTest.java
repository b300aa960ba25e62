package dev.tegu.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.engine.EngineException;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.tegu.checkpoint.DType;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SpeedProcessTest {
    private static final String FULL =
            "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 139.80"
                    + " GiB of which 956.38 MiB is free.";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "LORA_FINETUNE | false | `--gradient-checkpointing`, or a smaller `--batch-size`, or"
                        + " a shorter `--sequence-length`",
                "LORA_FINETUNE | true | a smaller `--batch-size`, or a shorter `--sequence-length`",
                "ATTENTION_TRANSFER | false | a smaller `--batch-size`, or a shorter"
                        + " `--sequence-length`",
                "DECODING | false | a smaller `--decode-batch`, or shorter `--contexts`",
            })
    void whatFindsNoMemorySaysWhatToChange(SpeedJob.Work work, boolean keepsLess, String advice) {
        SpeedJob job =
                new SpeedJob(
                        work,
                        "lizard",
                        "cuda:0",
                        DType.BF16,
                        JsonNodeFactory.instance.objectNode(),
                        64,
                        2048,
                        2,
                        keepsLess,
                        List.of(1024),
                        8192,
                        128);

        assertEquals(
                "out of memory on cuda:0: 1.1 GB asked for, 1.0 GB of 150.1 GB free; try " + advice,
                SpeedProcess.failure(job, new EngineException(FULL)));
    }
}
