#!/usr/bin/env python3
"""Checks an export against Tegu: transformers loads it, and both compute and write the same.

    python3 scripts/check-export.py EXPORT [--adapters PEFT_EXPORT --merged EXPORT] [--tokens N]

Needs torch, transformers 5 and, for --adapters, peft; on a CPU, in float32. EXPORT is what `tegu export` wrote. With
--adapters, EXPORT is the base without adapters; --merged is the same with them added, exported with `--dtype float32`.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

TEGU = pathlib.Path(__file__).resolve().parent / "tegu"
FAULTS = []


def tegu(*words):
    words = [str(TEGU), *map(str, words), "--device", "cpu", "--dtype", "float32"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def report(what, found, limit):
    print(f"{what}: {found:.3g} (limit {limit:.3g})")
    if not found <= limit:
        FAULTS.append(what)


def say(what, is_so):
    print(f"{what}: {'yes' if is_so else 'NO'}")
    if not is_so:
        FAULTS.append(what)


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True, dtype=torch.float32).eval()


def distance(a, b):
    return (a - b).abs().max().item()


def probe(path, ids):
    with tempfile.TemporaryDirectory() as folder:
        given, written = f"{folder}/ids.safetensors", f"{folder}/logits.safetensors"
        save_file({"input_ids": ids}, given)
        tegu("probe", "logits", path, "--ids", given, "--output", written)
        return load_file(written)


@torch.no_grad()
def check_logits(model, path, ids):
    expected = probe(path, ids)
    found = model(ids, output_hidden_states=True)
    report("logits", distance(found.logits, expected["logits"]), 1e-4)
    for i, h in enumerate(found.hidden_states):
        if i in (1, len(found.hidden_states) - 1):
            report(f"hidden states {i}", distance(h, expected[f"hidden_states.{i}"]), 1e-4)
    return found.logits


@torch.no_grad()
def check_pieces(model, ids, logits):
    """The same text in pieces and token by token, and with padding in front and within."""
    cache, parts, sizes, at = None, [], [], 0
    for piece in [5, 1, 70, 1, 1, ids.shape[1]]:
        out = model(ids[:, at : at + piece], past_key_values=cache, use_cache=True)
        cache, at = out.past_key_values, at + piece
        parts.append(out.logits)
    report("in pieces", distance(torch.cat(parts, 1), logits), 1e-4)
    for _ in range(40):
        model(ids[:, :1], past_key_values=cache, use_cache=True)
        sizes.append(cache.size_in_bytes())
    if not model.config.linear_attention["keep_softmax"]:
        say(f"state of {sizes[0]} bytes stays so", len(set(sizes)) == 1)


@torch.no_grad()
def check_padding(model, ids, logits):
    shift = 37
    for name, hole in [("in front", 0), ("within", 20)]:
        padded = torch.cat([ids[:, :hole], torch.zeros_like(ids[:, :shift]), ids[:, hole:]], 1)
        mask = torch.ones_like(padded)
        mask[:, hole : hole + shift] = 0
        out = model(padded, attention_mask=mask).logits
        report(f"padding {name}", distance(out[mask != 0], logits.flatten(0, 1)), 1e-4)


@torch.no_grad()
def check_text(model, path, prompt, count):
    ours = json.loads(tegu("generate", path, "--prompt", prompt, "--greedy", "--max-new-tokens", count, "--json"))
    ids = torch.tensor([ours["prompt_tokens"]])
    theirs = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count)
    made = theirs[0, ids.shape[1] :].tolist()
    eos = model.generation_config.eos_token_id
    ends = eos if isinstance(eos, list) else [eos]
    kept = made[:-1] if made[-1] in ends and made[-1] not in ours["tokens"][-1:] else made
    say(f"the same {len(kept)} greedy tokens after {ids.shape[1]} as `tegu generate`", kept == ours["tokens"])
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    say("the same text", ours["text"] == tokenizer.decode(kept, skip_special_tokens=True))
    if model.config.linear_attention["window"]["anchor"] != "start":
        # what a token sees depends on how much text is given at once: the state is another function
        return
    whole = ids
    for _ in range(theirs.shape[1] - ids.shape[1]):
        whole = torch.cat([whole, model(whole, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    say("the same without the state", torch.equal(whole, theirs))
    pair = [ids[0], ids[0, 9:]]
    longest = ids.shape[1]
    batch = torch.stack([torch.cat([torch.zeros(longest - len(x), dtype=torch.int64), x]) for x in pair])
    mask = torch.stack([torch.arange(longest) >= longest - len(x) for x in pair]).long()
    both = model.generate(batch, attention_mask=mask, do_sample=False, max_new_tokens=count, pad_token_id=0)
    alone = model.generate(batch[1:, 9:], do_sample=False, max_new_tokens=count, pad_token_id=0)
    size = theirs.shape[1] - longest
    say("the same in a batch padded in front", torch.equal(both[0, longest : longest + size], theirs[0, longest:]))
    size = alone.shape[1] - longest + 9
    say("and for its shorter row", torch.equal(both[1, longest : longest + size], alone[0, longest - 9 :]))
    beams = model.generate(ids, num_beams=3, do_sample=False, max_new_tokens=12, pad_token_id=0)
    fresh = model.generate(ids, num_beams=3, do_sample=False, max_new_tokens=12, pad_token_id=0, use_cache=False)
    say("beam search, with the state and without", torch.equal(beams, fresh))


@torch.no_grad()
def check_adapters(base, path, adapters, merged, ids):
    from peft import PeftModel

    plain = base(ids).logits
    model = PeftModel.from_pretrained(base, adapters)
    logits = model(ids).logits
    say("adapters change the logits", distance(logits, plain) > 1e-3)
    report("adapters in peft, and merged by Tegu", distance(logits, load(merged)(ids).logits), 1e-4)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(f"{folder}/adapters")
        shutil.copytree(path, f"{folder}/student")
        for name in ["adapter_config.json", "adapter_model.safetensors"]:
            shutil.copy(f"{folder}/adapters/{name}", f"{folder}/student/{name}")
        report("saved by peft, and read by Tegu", distance(logits, probe(f"{folder}/student", ids)["logits"]), 1e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("--adapters")
    parser.add_argument("--merged")
    parser.add_argument("--tokens", type=int, default=300, help="length of the texts that are compared")
    parser.add_argument("--prompt", default="The city was old, and its streets were narrow. " * 8)
    options = parser.parse_args()
    model = load(options.export)
    torch.manual_seed(0)
    ids = torch.randint(2, model.config.vocab_size, (2, options.tokens))
    logits = check_logits(model, options.export, ids)
    check_padding(model, ids, logits)
    window = model.config.linear_attention["window"]
    if model.config.rope_parameters["rope_type"] == "longrope":
        print("longrope: tokens keep the angles that they were read with, so pieces are not compared")
    elif window["anchor"] == "start":
        check_pieces(model, ids, logits)
    if (pathlib.Path(options.export) / "tokenizer.json").exists():
        check_text(model, options.export, options.prompt, 64)
    else:
        print("no tokenizer: text is not compared")
    if options.adapters:
        check_adapters(model, options.export, options.adapters, options.merged, ids)
    if FAULTS:
        sys.exit("failed: " + ", ".join(FAULTS))


if __name__ == "__main__":
    main()
