#!/usr/bin/env python3
"""Makes the tokenizers and the expected ids of the tokenizer tests, with transformers.

    python3 scripts/make-tokenizer-fixtures.py

Writes one folder a tokenizer below attention-modules/src/test/resources/dev/tegu/tokenizer: its
files, trained here on the texts below, and expected.json: what AutoTokenizer encodes, decodes and
makes of conversations. Run with tokenizers 0.23.2 and transformers 5.17.0, which must be installed.
"""

import json
import os
import shutil
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers
from transformers import AutoTokenizer

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "attention-modules", "src",
                    "test", "resources", "dev", "tegu", "tokenizer")

CORPUS = """
The ferry left the harbour at 7:45, and nobody aboard had slept. "It's late," said the pilot, "and we'll
be later." They didn't answer; they'd heard it before, 12 times, or 1200. Rain fell on the deck, on the
ropes, on the boxes of apples that were going to the island. What would they do there? Count apples!
def count(apples):
    total = 0
    for apple in apples:
        total += 1  # one at a time
    return total
Der Kapitän trank Tee und sagte nichts über die Äpfel. L'été était déjà fini, hélas. Это было в четверг.
東京の船は遅い。船は島へ行く。 한국어도 조금 있다. Prices: 3.50 and 10,000.99 of them, or 1/2.
""" * 4

TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n \t\n",
    "\t\ttabs",
    "The ferry left the harbour",
    " The ferry",
    "  two spaces  and an end ",
    "It's late, and we'll be LATER; they'd DIDN'T",
    "12 123 1234 12345678 3.50 10,000",
    "for apple in apples:\n        total += 1\n\n\nreturn",
    "Kapitän Äpfel e\u0301te\u0301 \u00e9t\u00e9",
    "Это было в четверг, 東京の船。 한국어",
    "\U0001f600\U0001f44d\U0001f3fd \U0001f469\u200d\U0001f680!",
    "na\u00efve \u00a0 nbsp\u3000ideographic\u2028line",
    "zero\u200bwidth and \ufeffmark",
    "a\u0000b",
    "hello , world . it 's ' quoted ' n't we 've",
    "\r\n windows\r\nlines \r",
    "Ⅻ ½ ² ٣ ໓",
    "x" * 70,
    "!!!...???---",
    "<|unknown|> <s <0x41> ▁under▁score",
]


def save(name, tokenizer, config, *, keep_json=True, model_type=None):
    folder = os.path.join(ROOT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if keep_json:
        # as one line: the merges would take one each
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n")
    else:
        tokenizer.model.save(folder)
    write(folder, "tokenizer_config.json", config)
    if model_type:
        write(folder, "config.json", {"model_type": model_type})
    return folder


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")


def expect(folder, marks, variants):
    """variants: by name, what is laid over tokenizer_config.json; null takes a key away."""
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        config = json.load(file)
    # each mark between words, doubled, and at both ends
    texts = TEXTS + [text for mark in marks for text in
                     (mark, f"a {mark} b", f"a{mark}b{mark}{mark} c", f" {mark} \n{mark.lower()}",
                      f"{mark}The ferry {mark.upper()}")]
    result = {}
    for name, change in variants.items():
        merged = {key: value for key, value in {**config, **change}.items() if value != "absent"}
        aside = folder + ".variant"
        shutil.copytree(folder, aside)
        write(aside, "tokenizer_config.json", merged)
        tokenizer = AutoTokenizer.from_pretrained(aside)
        cases = []
        for text in texts:
            ids = tokenizer.encode(text)
            cases.append({
                "text": text,
                "ids": ids,
                "plain": tokenizer.encode(text, add_special_tokens=False),
                "decoded": tokenizer.decode(ids),
                "skipped": tokenizer.decode(ids, skip_special_tokens=True),
            })
        result[name] = {
            "config": change,
            "size": len(tokenizer),
            "bos": tokenizer.bos_token_id,
            "eos": tokenizer.eos_token_id,
            "cases": cases,
            "chats": chats(tokenizer),
        }
        shutil.rmtree(aside)
    # one variant a line
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as file:
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in result.items()]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


SYSTEM = {"role": "system", "content": " Be brief. "}
TURNS = [
    {"role": "user", "content": "Count the apples, please\n"},
    {"role": "assistant", "content": "  12 apples\u00e9"},
    {"role": "user", "content": "And <b>\"these\"</b> & 'those'?"},
]
CONVERSATIONS = [TURNS[:1], TURNS, [SYSTEM] + TURNS[:1], [SYSTEM] + TURNS,
                 [{"role": "user", "content": "\U0001f600 東京"}]]


def chats(tokenizer):
    if not tokenizer.chat_template:
        return []
    return [{
        "messages": messages,
        "prompt": prompt,
        "text": tokenizer.apply_chat_template(messages, tokenize=False,
                                              add_generation_prompt=prompt),
        "ids": tokenizer.apply_chat_template(messages, add_generation_prompt=prompt,
                                             return_dict=False),
    } for messages in CONVERSATIONS for prompt in (False, True)]


def train(tokenizer, size, special, alphabet):
    tokenizer.train_from_iterator([CORPUS], trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False))


INST = """{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}\
{% else %}{% set turns = messages %}{% set system = none %}{% endif %}{{ bos_token }}{% for m in turns %}\
{% if m['role'] == 'user' %}[INST] {% if loop.first and system is not none %}<<SYS>>
{{ system | trim }}
<</SYS>>

{% endif %}{{ m['content'] | trim }} [/INST]{% else %} {{ m['content'] | trim }} {{ eos_token }}{% endif %}{% endfor %}"""

CHATML = """{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nHelp.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

HEADERS = """{{- bos_token }}
  {# each turn
     has a header #}
{%- for message in messages %}
    {{- '<|start_header_id|>' ~ message['role'] ~ '<|end_header_id|>\\n\\n' }}
    {{- (message['content'] | trim) + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}  {% set who = 'assistant' %} {%- endif %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""


def llama2():
    """Pieces with a leading mark for the space, and bytes for what has no piece.

    Its class is the general one, which reads tokenizer.json: transformers 5 builds its own
    LlamaTokenizer anew and drops the mark before a space, which sentencepiece and older versions add.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    train(tokenizer, 480, ["<unk>", "<s>", "</s>"] + bytes_, [])
    raw = json.loads(tokenizer.to_str())
    # bytes are pieces of the model and no added tokens; rare characters are left to them
    raw["added_tokens"] = [token for token in raw["added_tokens"] if token["id"] < 3]
    raw["model"]["vocab"] = {token: i for token, i in raw["model"]["vocab"].items()
                             if not any(c in "東京船島への遅行くは。" for c in token)}
    raw["model"]["merges"] = [pair for pair in raw["model"]["merges"]
                              if "".join(pair) in raw["model"]["vocab"]]
    raw["model"]["vocab"] = {token: i for i, token in enumerate(raw["model"]["vocab"])}
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                           decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    folder = save("llama2", tokenizer, {
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": True,
        "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": INST})
    extra = {"content": "<pad>", "lstrip": False, "normalized": False, "rstrip": False,
             "single_word": False, "special": True}
    expect(folder, ["<s>", "</s>", "<pad>"], {
        "as its file says": {},
        "no BOS": {"add_bos_token": False},
        "EOS alone": {"add_bos_token": False, "add_eos_token": True},
        "both": {"add_bos_token": True, "add_eos_token": True},
        "EOS without a BOS rule": {"add_eos_token": True},
        "a token more": {"pad_token": "<pad>"},
        "a token more, spelt out": {"added_tokens_decoder": {"999": extra}, "pad_token": "<pad>"},
        "cleaned up, which BPE is not": {"clean_up_tokenization_spaces": True},
    })


def byte_level(size, special, split=None, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizer
    if split:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, size, special, sorted(pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def gpt2():
    """vocab.json and merges.txt alone, as GPT-2 was published."""
    tokenizer = byte_level(400, ["<|endoftext|>"], continuing_subword_prefix="",
                           end_of_word_suffix="", fuse_unk=False)
    folder = save("gpt2", tokenizer, {"tokenizer_class": "GPT2Tokenizer"}, keep_json=False,
                  model_type="gpt2")
    expect(folder, ["<|endoftext|>"], {
        "as published": {},
        "with a space in front": {"add_prefix_space": True},
        "with BOS": {"add_bos_token": True},
    })


QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def qwen2():
    """vocab.json and merges.txt, with the added tokens in tokenizer_config.json."""
    tokenizer = byte_level(400, [], split=QWEN, normalizer=normalizers.NFC())
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>"]
    size = tokenizer.get_vocab_size()
    added = {str(size + i): {"content": name, "lstrip": False, "normalized": False, "rstrip": False,
                             "single_word": False, "special": name.startswith("<|")}
             for i, name in enumerate(names)}
    folder = save("qwen2", tokenizer, {
        "added_tokens_decoder": added, "bos_token": None, "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "unk_token": None, "add_bos_token": False,
        "add_prefix_space": False, "clean_up_tokenization_spaces": False, "chat_template": CHATML,
        "tokenizer_class": "Qwen2Tokenizer"}, keep_json=False, model_type="qwen2")
    expect(folder, names, {"as published": {}})


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def llama3():
    """Numbers by three digits, BOS by a template behind the byte-level step."""
    tokenizer = byte_level(400, [], split=LLAMA3, ignore_merges=True)
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
             "<|eot_id|>"]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    bos = tokenizer.token_to_id(names[0])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{names[0]} $A", pair=f"{names[0]} $A {names[0]}:1 $B:1",
            special_tokens=[(names[0], bos)])])
    folder = save("llama3", tokenizer, {
        "bos_token": names[0], "eos_token": "<|eot_id|>", "clean_up_tokenization_spaces": True,
        "chat_template": HEADERS, "tokenizer_class": "PreTrainedTokenizerFast"})
    expect(folder, names, {"as its file says": {}, "no BOS": {"add_bos_token": False}})


def added():
    """Added tokens with every switch, some in the file and some beside it."""
    tokenizer = byte_level(330, [], normalizer=normalizers.Lowercase())
    tokenizer.add_tokens([
        AddedToken("[LEFT]", lstrip=True, normalized=False),
        AddedToken("[RIGHT]", rstrip=True, normalized=False),
        AddedToken("[WORD]", single_word=True, normalized=False),
        AddedToken("[norm]", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("[BOTH]", lstrip=True, rstrip=True, normalized=False)])
    names = ["[LEFT]", "[RIGHT]", "[WORD]", "[norm]", "[BOTH]", "[NEW]"]

    def token(name, **switches):
        return {"content": name, "lstrip": False, "normalized": False, "rstrip": False,
                "single_word": False, "special": False, **switches}

    folder = save("added", tokenizer, {"tokenizer_class": "PreTrainedTokenizerFast"})
    first = tokenizer.token_to_id("[LEFT]")
    expect(folder, names, {
        "as its file says": {},
        "a new one": {"added_tokens_decoder": {str(first + 5): token("[NEW]", rstrip=True)}},
        "other switches": {"added_tokens_decoder": {
            str(first): token("[LEFT]", special=True), str(first + 5): token("[NEW]")}},
        "a list of marks": {"additional_special_tokens": ["[NEW]", "[LEFT]"]},
        "a list of marks by its new name": {"extra_special_tokens": ["[NEW]"]},
        "a mark that is a piece": {"eos_token": "the", "bos_token": "[NEW]"},
    })


def main():
    if sys.argv[1:]:
        sys.exit(__doc__)
    for make in (llama2, gpt2, qwen2, llama3, added):
        make()


if __name__ == "__main__":
    main()
