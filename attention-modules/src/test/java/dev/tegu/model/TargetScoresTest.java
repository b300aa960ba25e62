package dev.tegu.model;

import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TargetScoresTest {
    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lolcats", "lolcats-terrace"})
    @DisplayName("tokens that do not stand in the text are rated as if they stood there next")
    void otherTokensAreRated(String method) throws Exception {
        List<int[]> sequences = List.of(text(13, 1), text(6, 2));
        List<int[]> targets = List.of(text(13, 3), text(6, 4));
        try (DecoderModel model = TinyStudents.of(method)) {
            List<TokenScores> scores = model.score(sequences, targets);

            for (int row = 0; row < 2; row++) {
                for (int t : new int[] {1, 3, 5}) {
                    int[] text = Arrays.copyOf(sequences.get(row), t + 1);
                    text[t] = targets.get(row)[t];
                    if (method.equals("lolcats-terrace") && t < sequences.get(row).length - 1) {
                        continue; // its windows count from the end of the text
                    }
                    TokenScores alone = model.score(List.of(text)).get(0);
                    assertEquals(alone.logProb(t, t + 1), scores.get(row).logProb(t, t + 1), 1e-4);
                    assertEquals(alone.isGreedy(t, t + 1), scores.get(row).isGreedy(t, t + 1));
                }
            }
        }
    }
}
