package dev.tegu.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigNodeTest {

    @TempDir Path dir;

    private static ConfigNode parse(String yaml) {
        return ConfigNode.parse(yaml, "a.yaml");
    }

    private static String problems(String yaml) {
        return assertThrows(ConfigException.class, () -> parse(yaml)).getMessage();
    }

    static Stream<Arguments> wrongTexts() {
        return Stream.of(
                Arguments.of(
                        "a: 1\nb:\n  c: 2\n  c: 3\na: 4\n",
                        "a.yaml:4:3: b.c: duplicate key, first at line 3; keep one of the two\n"
                                + "a.yaml:5:1: a: duplicate key, first at line 1; keep one of the"
                                + " two"),
                Arguments.of(
                        "a: 1\n---\nb: 2\n",
                        "a.yaml:3:1: a second document begins here; a file holds one: remove the"
                                + " `---` line and what follows, or make two files"),
                Arguments.of(
                        "a: &x 1\nb: *x\n",
                        "a.yaml:1:4: a: anchors and aliases (`&name`, `*name`) are not supported;"
                                + " write the value out, or put the text in quotes\n"
                                + "a.yaml:2:4: b: anchors and aliases (`&name`, `*name`) are not"
                                + " supported; write the value out, or put the text in quotes"),
                Arguments.of(
                        "a: &x {b: 1}\n",
                        "a.yaml:1:4: a: anchors and aliases (`&name`, `*name`) are not supported;"
                                + " write the value out, or put the text in quotes"),
                Arguments.of(
                        "a: [!int 3]\n",
                        "a.yaml:1:5: a[0]: tags (`!name`) are not supported; remove the tag, or"
                                + " put the text in quotes"),
                Arguments.of(
                        "a:\n\tb: 1\n",
                        "a.yaml:2:1: a tab where spaces belong; indent with spaces"),
                Arguments.of(
                        "a: b: c\n",
                        "a.yaml:1:5: a `:` that starts no value here; align the key with its"
                                + " neighbours, or put a text with `:` in quotes"),
                Arguments.of(
                        "a: 1\nb: [1, 2\nc: 3\n",
                        "a.yaml:2:4: the `[` opened here is not closed, or a comma is missing"
                                + " (noticed at line 3)"),
                Arguments.of(
                        "a: {b: 1, c: 2\n",
                        "a.yaml:1:4: the `{` opened here is not closed, or a comma is missing"
                                + " (noticed at line 2)"),
                Arguments.of("a: 'x\n", "a.yaml:1:4: the quote opened here is never closed"),
                Arguments.of(
                        "a: \"\\q\"\n",
                        "a.yaml:1:6: unknown escape after `\\`; use single quotes, or write `\\\\`"),
                Arguments.of(
                        "a: 1\nb\n",
                        "a.yaml:2:1: expected `key: value` (the `:` or the space after it is"
                                + " missing)"),
                Arguments.of(
                        "a: %x\n",
                        "a.yaml:1:4: this character starts no value; put the text in quotes"),
                Arguments.of(
                        "{\"a\": 1}}",
                        "a.yaml:1:9: text after the end of the document; a bracket too many?"),
                Arguments.of(
                        "a:\n  - 1\n  b: 2\n",
                        "a.yaml:3:3: does not go on from what stands before: text after a"
                                + " closing quote, or a line that is not aligned with its"
                                + " neighbours"),
                Arguments.of(
                        "a: [",
                        "a.yaml:1:5: the text ends where a value is expected; is a bracket left"
                                + " open?"),
                Arguments.of(
                        "a: ]",
                        "a.yaml:1:4: expected a value here; a text that starts with a comma or a"
                                + " bracket stands in quotes"),
                Arguments.of("a: - b", "a.yaml:1:4: a list item (`- `) starts a line of its own"),
                Arguments.of(
                        "a: |x\n",
                        "a.yaml:1:5: after `|` and `>` the text starts on the next line; put a"
                                + " text that starts with them in quotes"),
                Arguments.of(
                        "? {a: b}\n: c\n",
                        "a.yaml:1:4: a key must be a plain word, not a mapping or a list"),
                Arguments.of(
                        "a: \u0007\n",
                        "a.yaml:1:1: the text holds a control character; is this a YAML file?"));
    }

    @ParameterizedTest
    @MethodSource("wrongTexts")
    void wrongTextIsRefusedAtItsPlaceOnOneLine(String yaml, String expected) {
        assertEquals(expected, problems(yaml));
    }

    @Test
    void deepNestingEndsInAProblemAndNotInAStackOverflow() {
        String message = problems("[".repeat(100_000));
        assertTrue(message.endsWith("nested too deeply to be a configuration"), message);
    }

    @Test
    void placesAreKeptWithWideCharactersAndAByteOrderMarkBefore() {
        ConfigNode node = parse("\uFEFFtitle: \"\uD83D\uDE00\"\ncount: \"5\"\nsize: 5\n");

        assertEquals("\uD83D\uDE00", node.get("title").orElseThrow().text());
        assertTrue(node.get("count").orElseThrow().isText());
        assertFalse(node.get("size").orElseThrow().isText());
        assertEquals(new ConfigNode.Place("a.yaml", 3, 7), node.get("size").orElseThrow().place());
        assertEquals(new ConfigNode.Place("a.yaml", 3, 1), node.entries().get("size").keyPlace());
    }

    @Test
    void jsonIsReadTheSameWay() {
        ConfigNode json = parse("{\"a\": {\"b\": [1, \"x\", true, null, 1e-4]}}");
        ConfigNode yaml = parse("a:\n  b: [1, x, true, null, 0.0001]\n");

        assertEquals(yaml, json);
        assertEquals(yaml.hashCode(), json.hashCode());
        assertNotEquals(yaml, parse("a:\n  b: ['1', x, true, null, 0.0001]\n"));
    }

    @Test
    void missingAndUnreadableFilesAreNamed() throws IOException {
        Path absent = dir.resolve("absent.yaml");
        assertEquals(
                absent
                        + ": no such file; check the path, relative paths start at the current"
                        + " folder",
                assertThrows(ConfigException.class, () -> ConfigNode.read(absent)).getMessage());
        assertEquals(
                dir + ": is a folder, not a file; give the path of a YAML or JSON file",
                assertThrows(ConfigException.class, () -> ConfigNode.read(dir)).getMessage());
        Path latin = Files.write(dir.resolve("l.yaml"), new byte[] {'a', ':', ' ', (byte) 0xE9});
        assertEquals(
                latin + ": not UTF-8 text; a configuration is a YAML or JSON text file",
                assertThrows(ConfigException.class, () -> ConfigNode.read(latin)).getMessage());
        Path good = Files.writeString(dir.resolve("g.yaml"), "a: [");
        assertTrue(
                assertThrows(ConfigException.class, () -> ConfigNode.read(good))
                        .getMessage()
                        .startsWith(good + ":1:5: "));
    }

    @Test
    void overridesAreMergedKeyByKeyAndKeepTheirPlaces() {
        ConfigNode base = parse("window: {size: 64, rope: true}\nlist: [1, 2]\ngate: none\n");
        ConfigNode over = ConfigNode.parse("window: {size: 32}\nlist: [3]\nnew: 1\n", "b.yaml");

        ConfigNode merged = base.withOverrides(over);

        assertEquals(
                parse("window: {size: 32, rope: true}\nlist: [3]\ngate: none\nnew: 1\n"), merged);
        assertEquals("b.yaml", merged.get("window.size").orElseThrow().place().source());
        assertEquals("a.yaml", merged.get("window.rope").orElseThrow().place().source());
        assertEquals("[window, list, gate, new]", merged.entries().keySet().toString());
    }

    @Test
    void bareWordIsABlockUnderABlockAndReplacesOneAbove() {
        ConfigNode word = parse("feature_map: hedgehog\n");
        ConfigNode block = parse("feature_map: {feature_dim: 8}\n");

        assertEquals(
                parse("feature_map: {kind: hedgehog, feature_dim: 8}"), word.withOverrides(block));
        assertEquals(word, block.withOverrides(word));
    }

    @Test
    void setChangesOneValueAndMakesTheBlocksOnTheWay() {
        ConfigNode node = parse("window: {size: 64}\n");

        ConfigNode changed =
                node.with("window.size", "32", "--set")
                        .with("eval.tasks", "[needle, recall]", "--set")
                        .with("name", "", "--set");

        assertEquals(
                parse("window: {size: 32}\neval: {tasks: [needle, recall]}\nname:\n"), changed);
        assertEquals(
                new ConfigNode.Place("--set", 0, 0),
                changed.get("eval.tasks").orElseThrow().items().get(0).place());
        assertEquals(parse("window: {size: 64}\n"), node);
    }

    @Test
    void mistakesInSetNameTheKey() {
        ConfigNode node = parse("a: 1\n");
        assertEquals(
                "--set: a: the `[` opened here is not closed, or a comma is missing",
                assertThrows(ConfigException.class, () -> node.with("a", "[1", "--set"))
                        .getMessage());
        for (String key : new String[] {"", ".a", "a..b", "a."}) {
            assertThrows(ConfigException.class, () -> node.with(key, "1", "--set"));
        }
        record One(int a) {}
        ConfigNode wrong = node.with("a", "x", "--set");
        assertEquals(
                "--set: a: expected a whole number, found `x`",
                assertThrows(ConfigException.class, () -> ConfigBinder.bind(wrong, One.class))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a: 1",
                "a: {b: {c: [1, 2.50, 500_000, 1e-4]}, d: {}, e: []}",
                "- 1\n- {a: b}\n- [x, [y, {z: 1}]]",
                "texts: ['5', 'true', '1e-4', 'null', '~', '', 'yes', 'a: b', '#x', '- x', ' x ']",
                "more: [\"line\\nbreak \\\"q\\\" \\\\ \\t \\u0001 \\u2028 \\ufeff \\x85 \\ud800\", 'é日\uD83D\uDE00',"
                        + " '*x', '&x', '!x', '@', '%', '---', '...', '.', '/a/b', 'C:\\x', '=', '<<']",
                "'key with: colon': 1\n'5': 2\n'': 3\n'true': 4\nnull: 5",
                "just text",
                "null",
                "[]"
            })
    void writtenTextReadsBackTheSame(String yaml) {
        ConfigNode node = parse(yaml);

        String written = node.toYaml();

        assertEquals(node, parse(written), written);
        assertEquals(written, parse(written).toYaml());
        assertEquals(node, ConfigNode.of(node.toPlain(), "x"));
    }

    @Test
    void writtenTextIsPlainBlockStyle() {
        ConfigNode node = parse("{a: {b: 1, c: [x, 'y z']}, d: [{e: 1, f: 2}], g: {}, h: null}");

        assertEquals(
                """
                a:
                  b: 1
                  c: [x, "y z"]
                d:
                  -
                    e: 1
                    f: 2
                g: {}
                h: null
                """,
                node.toYaml());
    }

    @Test
    void plainValuesOfOtherKindsAreRefused() {
        assertThrows(
                IllegalArgumentException.class, () -> ConfigNode.of(Map.of("a", Double.NaN), "x"));
        assertThrows(IllegalArgumentException.class, () -> ConfigNode.of(Arrays.asList('c'), "x"));
    }

    @Test
    void placesStandBehindValuesAndChangeNone() {
        String text = "a: {b: 1, c: []}\nd: [u, v]\ne: [{f: '# no comment'}]\ng:\n";
        ConfigNode node = ConfigNode.parse(text, "odd\nname");

        String written = node.toYamlWithPlaces();

        assertEquals(
                """
                a:
                  b: 1  # odd?name:1:8
                  c: []  # odd?name:1:14
                d: [u, v]  # odd?name:2:4
                e:
                  -
                    f: "# no comment"  # odd?name:3:9
                g: null  # odd?name:4:3
                """,
                written);
        assertEquals(node, ConfigNode.parse(written, "again"));
    }
}
