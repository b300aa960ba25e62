package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class TextPiecesTest {

    @Test
    void piecesEndAfterTheLastLineFeedThatFits() throws IOException {
        assertEquals(List.of("ab\nc\n", "def\ng"), pieces("ab\nc\ndef\ng", 6));
    }

    @Test
    void aLongLineIsCutWhereTheLimitIs() throws IOException {
        assertEquals(List.of("abcd", "ef"), pieces("abcdef", 4));
    }

    @Test
    void surrogatePairsStayWhole() throws IOException {
        assertEquals(List.of("abc", "\uD83D\uDE00d"), pieces("abc\uD83D\uDE00d", 4));
    }

    @Test
    void textOfExactlyTheLimitIsOnePiece() throws IOException {
        assertEquals(List.of("abc\n"), pieces("abc\n", 4));
    }

    private static List<String> pieces(String text, int limit) throws IOException {
        TextPieces pieces = new TextPieces(new StringReader(text), limit);
        List<String> all = new ArrayList<>();
        for (String piece = pieces.next(); !piece.isEmpty(); piece = pieces.next()) {
            all.add(piece);
        }
        return all;
    }
}
