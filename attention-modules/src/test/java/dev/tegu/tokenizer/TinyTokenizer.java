package dev.tegu.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A tokenizer.json that fits a screen: byte fallback, leading spaces, limits that must not bite.
 */
final class TinyTokenizer {

    private TinyTokenizer() {}

    /** Ids: 0 unk, 1 BOS, 2 EOS, 3..6 the bytes of U+1F600, 7 a space, 8.. letters and merges. */
    static Path write(Path dir) throws IOException {
        String json =
                """
                {
                  "version": "1.0",
                  "truncation": {"direction": "Right", "max_length": 4,
                                 "strategy": "LongestFirst", "stride": 0},
                  "padding": {"strategy": {"Fixed": 9}, "direction": "Right",
                              "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0,
                              "pad_token": "</s>"},
                  "added_tokens": [
                    {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true},
                    {"id": 1, "content": "<s>", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true},
                    {"id": 2, "content": "</s>", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true},
                    {"id": 20, "content": "<end>", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true}
                  ],
                  "normalizer": {"type": "Sequence", "normalizers": [
                    {"type": "Prepend", "prepend": "▁"},
                    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
                  "pre_tokenizer": null,
                  "post_processor": {"type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                               {"Sequence": {"id": "A", "type_id": 0}}],
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                             {"Sequence": {"id": "B", "type_id": 0}}],
                    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
                  "decoder": {"type": "Sequence", "decoders": [
                    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                    {"type": "ByteFallback"}, {"type": "Fuse"},
                    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
                  "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>",
                    "continuing_subword_prefix": null, "end_of_word_suffix": null,
                    "fuse_unk": true, "byte_fallback": true,
                    "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0xF0>": 3, "<0x9F>": 4,
                              "<0x98>": 5, "<0x80>": 6, "▁": 7, "a": 8, "b": 9, "▁a": 10,
                              "▁b": 11, "<0xEF>": 12, "<0xBF>": 13, "<0xBD>": 14},
                    "merges": ["▁ a", "▁ b"]}
                }
                """;
        return Files.writeString(dir.resolve("tokenizer.json"), json);
    }
}
