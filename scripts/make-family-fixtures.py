#!/usr/bin/env python3
"""Writes the tiny models of attention-modules/src/test/resources/dev/tegu/model/families.

    python3 scripts/make-family-fixtures.py [NAME ...]

Needs torch and transformers 5. Each model is random, saved by transformers, and stands beside what transformers
computes with it: `input_ids` [2, 24], `logits`, `hidden_states.N` (the last one after the final norm) and `greedy_ids`,
16 tokens after the first row. Nothing is left at the value that it starts with: a norm of ones or a bias of zeros would
hide its own absence. The same versions give the same bytes.
"""

import pathlib
import shutil
import sys
import zlib

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
FAMILIES = HERE.parent / "attention-modules/src/test/resources/dev/tegu/model/families"
TOKENS, GREEDY = 24, 16

COMMON = dict(
    vocab_size=160,
    hidden_size=32,
    intermediate_size=56,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=128,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
GROUPED = dict(COMMON, num_key_value_heads=2)
# a part of each head is rotated: heads of 16, so that the part is more than one pair
PARTIAL = dict(COMMON, num_attention_heads=2)
LONG_ROPE = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    short_factor=[1.0, 1.1, 1.3, 1.7],
    long_factor=[1.0, 1.5, 2.5, 4.0],
    # shorter than the texts
    original_max_position_embeddings=16,
)


def neox(parallel):
    return transformers.GPTNeoXConfig(
        **PARTIAL,
        use_parallel_residual=parallel,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
        hidden_act="gelu",
    )


def phi():
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    return transformers.PhiConfig(**dict(PARTIAL, num_key_value_heads=1), rope_parameters=rope)


def gemma2():
    # both caps are small enough to bend, and the window is shorter than the texts
    return transformers.Gemma2Config(
        **GROUPED,
        head_dim=8,
        query_pre_attn_scalar=11,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=4.0,
        sliding_window=8,
    )


def gpt2():
    # the MLP is not four times as wide as the model
    size = dict(vocab_size=160, n_embd=32, n_inner=56, n_layer=3, n_head=4, n_positions=128)
    return transformers.GPT2Config(**size, bos_token_id=None, eos_token_id=None)


MODELS = {
    "gpt2-n_inner": gpt2,
    "gpt_neox-parallel": lambda: neox(True),
    "gpt_neox-sequential": lambda: neox(False),
    "phi": phi,
    "phi3-window": lambda: transformers.Phi3Config(**GROUPED, sliding_window=8),
    "phi3-longrope": lambda: transformers.Phi3Config(
        **GROUPED, sliding_window=None, original_max_position_embeddings=16, rope_parameters=LONG_ROPE
    ),
    "gemma2": gemma2,
    "olmo2": lambda: transformers.Olmo2Config(**GROUPED),
    "mixtral": lambda: transformers.MixtralConfig(
        **dict(GROUPED, intermediate_size=16), num_local_experts=4, num_experts_per_tok=2, sliding_window=None
    ),
    # heads wider than hidden_size / num_attention_heads
    "mistral-head_dim": lambda: transformers.MistralConfig(**GROUPED, head_dim=12, sliding_window=None),
}


def draw(model):
    """Every parameter anew, by its name: about unit gain for products, norms around what they start at."""
    for name, parameter in model.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 1:
            values = parameter + 0.3 * values
        elif "embed" in name or ".wte." in name or ".wpe." in name:
            values = values * 0.7
        else:
            values = values * parameter.shape[-1] ** -0.5 * 1.3
        parameter.copy_(values)


def greedy(model, ids):
    """By whole texts; each choice must be clear, so that rounding cannot change it."""
    made = []
    for _ in range(GREEDY):
        best = model(ids, use_cache=False).logits[0, -1].topk(2)
        if best.values[0] - best.values[1] < 1e-3:
            raise ValueError("two tokens are nearly equal: change the weights")
        made.append(best.indices[0])
        ids = torch.cat([ids, best.indices[:1][None]], 1)
    return torch.stack(made)


@torch.no_grad()
def write(name):
    config = MODELS[name]()
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    draw(model)
    folder = FAMILIES / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    # nothing in it: there is no special token
    (folder / "generation_config.json").unlink()
    ids = torch.randint(0, config.vocab_size, (2, TOKENS), generator=torch.Generator().manual_seed(1))
    out = model(ids, use_cache=False, output_hidden_states=True)
    expected = {"input_ids": ids, "logits": out.logits, "greedy_ids": greedy(model, ids[:1])}
    for i, states in enumerate(out.hidden_states):
        expected[f"hidden_states.{i}"] = states
    save_file({key: value.contiguous() for key, value in expected.items()}, folder / "expected.safetensors")
    spread = out.logits.std().item()
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, logits of deviation {spread:.2f}")


def main():
    for name in sys.argv[1:] or MODELS:
        write(name)


if __name__ == "__main__":
    main()
