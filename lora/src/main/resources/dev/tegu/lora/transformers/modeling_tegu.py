"""A decoder whose attention has a state of constant size, in plain PyTorch.

One decoder for many families: `config.architecture` says what their tensors are called and what is special about their
layers, and every module stands at the name that its tensors have in the checkpoint. Nothing here asks for a family.

Letters: B batch, T new tokens, H query heads, K key/value heads, D head width, F feature width, W window, R how many
tokens the state keeps whole (W, or 2 W for terraced windows), E first tokens kept for ever, C tokens of a chunk,
L = R + C.
"""

import math
import re

import torch
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.pytorch_utils import Conv1D

from .configuration_tegu import TeguConfig


class TeguLayerCache(CacheLayerMixin):
    """What one layer remembers: tensors by name, with the batch first.

    A linearized layer's tensors never grow; those of a layer that stayed softmax grow with the text.
    """

    is_sliding = False

    def __init__(self):
        super().__init__()
        self.tensors = {}
        self.tokens = 0

    def lazy_initialization(self, key_states, value_states):
        raise NotImplementedError("the layers of this model make their own state")

    def update(self, key_states, value_states, *args, **kwargs):
        raise NotImplementedError("the layers of this model write their own state")

    def get_seq_length(self):
        return self.tokens

    def get_mask_sizes(self, query_length):
        return self.tokens + query_length, 0

    def get_max_length(self):
        return -1

    def reset(self):
        self.tensors = {}
        self.tokens = 0

    def batch_select_indices(self, indices):
        self.tensors = {name: x.index_select(0, indices.to(x.device)) for name, x in self.tensors.items()}

    def reorder_cache(self, beam_idx):
        self.batch_select_indices(beam_idx)

    def batch_repeat_interleave(self, repeats):
        self.tensors = {name: x.repeat_interleave(repeats, 0) for name, x in self.tensors.items()}

    def crop(self, max_length):
        raise NotImplementedError("a state of constant size cannot forget its last tokens")


class TeguCache(Cache):
    """The states of all layers."""

    def __init__(self, config):
        super().__init__(layers=[TeguLayerCache() for _ in range(config.num_hidden_layers)])
        # tokens of each row's text so far, [B]
        self.seen = None

    def size_in_bytes(self):
        return sum(x.nbytes for layer in self.layers for x in layer.tensors.values())

    def reset(self):
        super().reset()
        self.seen = None

    def reorder_cache(self, beam_idx):
        super().reorder_cache(beam_idx)
        self.seen = self.seen[beam_idx.to(self.seen.device)]

    def batch_select_indices(self, indices):
        super().batch_select_indices(indices)
        self.seen = self.seen[indices.to(self.seen.device)]

    def batch_repeat_interleave(self, repeats):
        super().batch_repeat_interleave(repeats)
        self.seen = self.seen.repeat_interleave(repeats, 0)


class TeguRMSNorm(nn.Module):
    """Either weight * x, in the type of x, or (1 + weight) * x, in float32."""

    def __init__(self, size, eps, plus_one):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size) if plus_one else torch.ones(size))
        self.eps, self.plus_one = eps, plus_one

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps)
        if self.plus_one:
            return (y * (1 + self.weight.float())).to(x.dtype)
        return self.weight * y.to(x.dtype)


def norm_of(config, size):
    kind, eps = config.architecture.get("norm_type", "rms"), config.norm_eps
    return nn.LayerNorm(size, eps) if kind == "layer" else TeguRMSNorm(size, eps, kind == "rms_plus_one")


def linears_of(config, prefix, roles=""):
    """How the linear maps are stored whose names start with a prefix: {role: {name without it, bias, part, ..}}."""
    return {
        role.removeprefix(roles): dict(linear, name=linear["name"].removeprefix(prefix))
        for role, linear in config.architecture["linears"].items()
        if role.startswith(roles) and linear["name"].startswith(prefix)
    }


class TeguLinears(nn.Module):
    """Linear maps at the names under which the checkpoint stores them, asked for by their roles.

    Several roles may be stored as one tensor. PEFT puts adapters on what is stored, so that is what is called; its
    output is cut: `rows` one role after the other, `heads` all roles of a head, then those of the next.
    """

    def add_linears(self, config, linears, sizes):
        """`sizes`: widths (in, out) by role."""
        self.parts, self.groups = {}, config.num_attention_heads
        for role, (size, width) in sizes.items():
            linear = linears[role]
            part = linear.get("part") or {"of": [role], "layout": "rows"}
            widths = [sizes[other][1] for other in part["of"]]
            self.parts[role] = (linear["name"], part["layout"], widths, part["of"].index(role))
            if hasattr(self, linear["name"]):
                continue
            if linear.get("transposed"):
                stored = Conv1D(sum(widths), size)
            else:
                stored = nn.Linear(size, sum(widths), bias=config.holds(linear.get("bias", "never")))
            self.add_module(linear["name"], stored)

    def project(self, x, *roles):
        """The outputs of some roles; what they share is computed once."""
        whole, outputs = {}, []
        for role in roles:
            name, layout, widths, index = self.parts[role]
            if name not in whole:
                y = getattr(self, name)(x)
                if layout == "heads":
                    y = y.unflatten(-1, (self.groups, len(widths), -1)).transpose(-3, -2).flatten(-2)
                    whole[name] = y.unbind(-2)
                else:
                    whole[name] = y.split(widths, -1)
            outputs.append(whole[name][index])
        return outputs


class TeguMLP(TeguLinears):
    """down(act(gate(x)) * up(x)), or fc2(act(fc1(x)))."""

    def __init__(self, config, linears):
        super().__init__()
        size, inner = config.hidden_size, config.intermediate_size
        self.is_gated = config.architecture.get("mlp", "gated") != "plain"
        if self.is_gated:
            sizes = {"gate_proj": (size, inner), "up_proj": (size, inner), "down_proj": (inner, size)}
        else:
            sizes = {"fc1": (size, inner), "fc2": (inner, size)}
        self.add_linears(config, linears, sizes)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, x):
        if not self.is_gated:
            return self.project(self.activation(self.project(x, "fc1")[0]), "fc2")[0]
        gate, up = self.project(x, "gate_proj", "up_proj")
        return self.project(self.activation(gate) * up, "down_proj")[0]


class TeguExperts(TeguLinears):
    """A router sends each token to a few of many MLPs; their outputs are added by its softmax over these few."""

    def __init__(self, config, prefix):
        super().__init__()
        count = config.value("num_experts")
        self.chosen = config.value("num_experts_per_tok")
        self.add_linears(config, linears_of(config, prefix), {"router": (config.hidden_size, count)})
        experts = linears_of(config, prefix + "experts.{expert}.", "experts.{expert}.")
        self.experts = nn.ModuleList([TeguMLP(config, experts) for _ in range(count)])

    def forward(self, x):
        flat = x.flatten(0, 1)
        scores, choice = self.project(flat, "router")[0].float().topk(self.chosen, -1)
        shares = scores.softmax(-1).to(x.dtype)
        y = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            token, place = (choice == i).nonzero(as_tuple=True)
            if token.numel() > 0:
                y.index_add_(0, token, expert(flat[token]) * shares[token, place, None])
        return y.view_as(x)


def rope(config):
    """Radians a token for each pair of a head's coordinates, and the factor before cosine and sine, float64.

    The radians are [2, D / 2], for short texts and for long ones; only `longrope` tells them apart. Pairs that are not
    rotated stand last: no radians, cosine 1.
    """
    pairs = config.head_dim // 2
    radians = torch.zeros(2, pairs, dtype=torch.float64, device="cpu")
    factors = torch.ones(pairs, dtype=torch.float64, device="cpu")
    if config.architecture.get("rope", "half") == "none":
        return radians, factors
    width = int(config.head_dim * config.rope_parameters["partial_rotary_factor"])
    exponent = torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width
    frequency = float(config.rope_parameters["rope_theta"]) ** -exponent
    radians[:, : width // 2], factors[: width // 2] = scaled_rope(config, frequency)
    return radians, factors


def original_length(config):
    """The length of texts before a family's RoPE was stretched."""
    given = config.rope_parameters.get("original_max_position_embeddings")
    return given or config.value("original_max_position_embeddings") or config.max_position_embeddings


def scaled_rope(config, frequency):
    """The frequencies after `rope_scaling`, and the factor before cosine and sine."""
    given, original = config.rope_parameters, original_length(config)
    kind = given["rope_type"]
    if kind == "default":
        return frequency, 1.0
    if kind == "linear":
        return frequency / given["factor"], 1.0
    if kind == "llama3":
        # long waves are stretched by the factor, short ones stay, those between are blended
        low, high, factor = given["low_freq_factor"], given["high_freq_factor"], given["factor"]
        turns = original * frequency / (2 * math.pi)
        blend = ((turns - low) / (high - low)).clamp(0, 1)
        return (1 - blend) * frequency / factor + blend * frequency, 1.0
    if kind in ("longrope", "su"):
        stretch = torch.tensor([given["short_factor"], given["long_factor"]], dtype=torch.float64, device="cpu")
        ratio = given.get("factor") or config.max_position_embeddings / original
        default = math.sqrt(1 + math.log(ratio) / math.log(original)) if ratio > 1 else 1.0
        return frequency / stretch, given.get("attention_factor") or default
    raise ValueError(f"rope_type `{kind}` is not known; known: default, linear, llama3, longrope")


def rotate(x, cos, sin):
    """RoPE, "rotate half"; x [B, heads, T, D], cos and sin [B, 1, T, D]."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin


def weights_of(shapes):
    """A module with a parameter for each name; float32 in every checkpoint."""
    module = nn.Module()
    for name, shape in shapes.items():
        module.register_parameter(name, nn.Parameter(torch.zeros(shape)))
    return module


def pick(x, index):
    """Rows of [B, heads, L, ...] by index [B, n]."""
    index = index[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])
    return x.gather(2, index)


def inverse(x):
    """1 / x; where nothing was summed any factor will do."""
    return 1.0 / x.masked_fill(x == 0, 1.0)


class TeguHeads(TeguLinears):
    """What both attentions share: from the layer's input to queries, keys and values by head, and back."""

    def __init__(self, config):
        super().__init__()
        form = config.architecture
        self.heads, self.kv_heads, self.width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        size, inner, narrow = config.hidden_size, self.heads * self.width, self.kv_heads * self.width
        sizes = {"q_proj": (size, inner), "k_proj": (size, narrow), "v_proj": (size, narrow), "o_proj": (inner, size)}
        self.add_linears(config, linears_of(config, form["attention"]), sizes)

        # norms of queries and keys: none, by head, or over all heads at once
        self.qk_norm = form.get("qk_norm", "none")
        if self.qk_norm != "none":
            by_head = self.qk_norm == "head"
            self.norm_names = [form["norms"][role].removeprefix(form["attention"]) for role in ("q_norm", "k_norm")]
            for name, whole in zip(self.norm_names, (inner, narrow)):
                self.add_module(name, norm_of(config, self.width if by_head else whole))

        # scores are divided by sqrt(D) elsewhere; a family that divides by another root has its queries scaled
        scale = config.value(form["query_scale"]) if "query_scale" in form else None
        self.query_scale = (self.width / scale) ** 0.5 if scale else 1.0

        # a family may rotate the first coordinates of a head only: they move to the front of both halves
        turned = int(self.width * config.rope_parameters["partial_rotary_factor"])
        self.order = None
        if form.get("rope", "half") == "half" and turned < self.width:
            first, middle = turned // 2, turned + (self.width - turned) // 2
            ranges = (0, first), (turned, middle), (first, turned), (middle, self.width)
            self.order = [i for start, end in ranges for i in range(start, end)]

    def split(self, y, heads):
        """[B, T, heads D] -> [B, heads, T, D]"""
        return y.unflatten(-1, (heads, self.width)).transpose(1, 2)

    def by_head(self, x):
        """[B, T, M] -> queries [B, H, T, D], keys and values [B, K, T, D], before RoPE."""
        q, k, v = self.project(x, "q_proj", "k_proj", "v_proj")
        if self.qk_norm == "whole":
            q, k = (getattr(self, name)(y) for name, y in zip(self.norm_names, (q, k)))
        q, k, v = self.split(q, self.heads), self.split(k, self.kv_heads), self.split(v, self.kv_heads)
        if self.qk_norm == "head":
            q, k = (getattr(self, name)(y) for name, y in zip(self.norm_names, (q, k)))
        if self.query_scale != 1.0:
            q = q * self.query_scale
        if self.order is not None:
            q, k = q[..., self.order], k[..., self.order]
        return q, k, v

    def output(self, y):
        """[B, H, T, D] -> [B, T, M]"""
        return self.project(y.transpose(1, 2).flatten(2), "o_proj")[0]


class TeguAttention(TeguHeads):
    """A softmax window plus linear attention with a state; every method is a setting of the switches.

    For query i, the window's keys N(i) and the linear branch's keys M(i), with gates a in (0, 1]:

        window: sum_{j in N(i)} exp(q_i k_j / sqrt(D) - c) v_j    over the same without v (learned sinks join it)
        linear: sum_{j in M(i)} phi(q_i) phi(k_j) a_{j+1} ... a_i v_j    over the same without v

    N(i) are the last W tokens (terraces: the block of W tokens that i stands in and the one before), and the first E;
    M(i) all tokens up to i, or those outside of N(i). `combine` says how the two become one. A text is computed in
    chunks: keys of the chunk, and those that the window may need, one by one, everything earlier through the state.
    All of this is float32, whatever the model's type.
    """

    def __init__(self, config, layer):
        super().__init__(config)
        spec = config.linear_attention
        window = spec["window"]
        self.window, self.window_rope = window["size"], window["rope"]
        self.terrace, self.anchor = window["shape"] == "terrace", window["anchor"]
        self.reach = 2 * self.window if self.terrace else self.window
        self.keep_first = window["keep_first"]
        self.linear = spec["linear_scope"] != "none"
        self.outside = spec["linear_scope"] == "outside_window" and self.window > 0
        self.linear_rope, self.linear_scale = spec["linear_rope"], spec["linear_scale"]
        self.combine, self.normalize = spec["combine"], spec["normalize"]
        self.map, self.gate_spec = spec["feature_map"], spec["gate"]
        self.gate_kind = self.gate_spec["kind"]
        self.by_feature = self.gate_kind == "low_rank_vector" or (
            self.gate_kind == "key_pool" and self.gate_spec["pool"] == "none"
        )
        # with a gate for each feature every pair of tokens has F decays
        self.chunk_size = 16 if self.by_feature else 128
        self.layer, self.num_layers = layer, config.num_hidden_layers
        self._add_feature_maps()
        self._add_gate(config.hidden_size)
        both = self.window > 0 and self.linear
        if both and self.combine["kind"] == "shared_denominator":
            self.window_factor = nn.Parameter(torch.zeros(self.heads))
        if window["sinks"] > 0:
            self.sinks = nn.Parameter(torch.zeros(self.heads, window["sinks"]))
        if self.window > 0 and self.combine["kind"] == "sum":
            self.alpha = nn.Parameter(torch.zeros(self.heads))
        if spec["output_norm"]:
            self.output_norm = weights_of({"weight": (self.heads, self.width)})

    def _add_feature_maps(self):
        kind = self.map["kind"]
        limit = {"hedgehog": 64, "hedgehog_exp": 64, "taylor": 16}.get(kind, self.width)
        p = self.map.get("feature_dim") or min(self.width, limit)
        if kind in ("identity", "elu", "head_softmax"):
            self.feature_width = self.width
            return
        self.feature_width = {"t2r": p, "taylor": 1 + p + p * (p + 1) // 2}.get(kind, 2 * p)
        maps = 1 if self.map["sharing"] == "layer" else self.heads
        if self.linear:
            for side in ["q"] if self.map["tied"] else ["q", "k"]:
                shapes = {"weight": (maps, self.width, p)}
                if self.map["bias"]:
                    shapes["bias"] = (maps, p)
                self.add_module(f"feature_map_{side}", weights_of(shapes))

    def _add_gate(self, size):
        gates = 1 if self.gate_spec["per"] == "layer" else self.heads
        has_bias = self.gate_spec["bias"]
        if self.gate_kind in ("scalar", "mamba2"):
            shapes = {"weight": (gates, size)}
            if has_bias:
                shapes["bias"] = (gates,)
            if self.gate_kind == "mamba2":
                shapes["log_rate"] = (gates,)
            self.gate = weights_of(shapes)
        elif self.gate_kind == "low_rank_vector":
            rank = self.gate_spec.get("rank") or 16
            self.gate = weights_of({"bias": (gates, self.feature_width)} if has_bias else {})
            self.gate.down = weights_of({"weight": (rank, size)})
            self.gate.up = weights_of({"weight": (gates, self.feature_width, rank)})

    def per_query_head(self, x):
        """[B, K, ...] -> [B, H, ...]: each key/value head serves neighbouring query heads."""
        return x.repeat_interleave(self.heads // x.shape[1], 1)

    def features(self, x, side):
        """phi: [B, H or K, n, D] -> [B, H, n, F]."""
        kind = self.map["kind"]
        x = self.per_query_head(x)
        if kind == "identity":
            y = x
        elif kind == "elu":
            y = (nn.functional.elu(x) + 1).clamp(min=1e-12)
        elif kind == "head_softmax":
            y = x.softmax(-1)
        else:
            learned = self.feature_map_q if side == "q" or self.map["tied"] else self.feature_map_k
            z = x @ learned.weight.float()
            if self.map["skip"]:
                z = z + x
            if self.map["bias"]:
                z = z + learned.bias.float()[:, None]
            if kind == "hedgehog":
                y = torch.cat([z.softmax(-1), (-z).softmax(-1)], -1).clamp(min=1e-12)
            elif kind == "hedgehog_joint":
                y = torch.cat([2 * z, -2 * z], -1).softmax(-1)
            elif kind == "hedgehog_exp":
                y = torch.cat([z, -z], -1).exp()
            elif kind == "t2r":
                y = z.relu().clamp(min=1e-12)
            else:
                y = self.taylor(z)
        if side == "q" and self.linear_scale:
            y = y * self.feature_width**-0.5
        return y

    @staticmethod
    def taylor(z):
        """1 + s + s^2 / 2 as a product of features, s = z z' / sqrt(p)."""
        p = z.shape[-1]
        z = z * p**-0.25
        first, second = torch.triu_indices(p, p, device=z.device)
        square = z[..., first] * z[..., second]
        square = torch.where(first == second, square * 2**-0.5, square)
        return torch.cat([torch.ones_like(z[..., :1]), z, square], -1)

    def log_gates(self, x, k):
        """Logarithms of the gates, [B, 1 or H, T, 1 or F]; x the layer's input, k the keys before RoPE."""
        kind, log_sigmoid = self.gate_kind, nn.functional.logsigmoid
        divisor = self.gate_spec.get("divisor") or 16.0
        if kind == "key_pool":
            u = k if self.by_feature else k.mean(-1, keepdim=True)
            return self.per_query_head(log_sigmoid(u) / divisor)
        if kind == "constant":
            head = torch.arange(1, self.heads + 1, dtype=torch.float64, device="cpu")
            if self.gate_spec["schedule"] == "retnet":
                log = torch.log1p(-(2.0 ** (-4 - head)))
            else:
                depth = self.layer / (self.num_layers - 1) if self.num_layers > 1 else 0
                log = -(2.0 ** (-8 * head / self.heads)) * (1 - depth + 1e-5)
            return log.to(k)[None, :, None, None].expand(k.shape[0], -1, k.shape[2], -1)
        x = x.float()
        if kind == "low_rank_vector":
            u = (x @ self.gate.down.weight.float().T)[:, None] @ self.gate.up.weight.float().transpose(1, 2)
            if self.gate_spec["bias"]:
                u = u + self.gate.bias.float()[:, None]
            return log_sigmoid(u) / divisor
        u = x @ self.gate.weight.float().T
        if self.gate_spec["bias"]:
            u = u + self.gate.bias.float()
        if kind == "mamba2":
            log = -nn.functional.softplus(u) * self.gate.log_rate.float().exp()
        else:
            log = log_sigmoid(u)
        return log.transpose(1, 2)[..., None]

    def empty_state(self, x):
        batch, device = x.shape[0], x.device

        def zeros(*shape):
            return torch.zeros(batch, *shape, dtype=torch.float32, device=device)

        state = {
            "window_position": torch.full((batch, self.reach), -1, dtype=torch.int64, device=device),
            "window_k": zeros(self.kv_heads, self.reach, self.width),
            "window_v": zeros(self.kv_heads, self.reach, self.width),
        }
        if self.keep_first > 0:
            state["first_k"] = zeros(self.kv_heads, self.keep_first, self.width)
            state["first_v"] = zeros(self.kv_heads, self.keep_first, self.width)
        if self.linear:
            state["kv_state"] = zeros(self.heads, self.feature_width, self.width)
            state["k_sum"] = zeros(self.heads, self.feature_width)
        if self.outside and self.window_rope != self.linear_rope:
            state["window_k_linear"] = zeros(self.kv_heads, self.reach, self.width)
        if self.outside and self.gate_kind != "none":
            gates = self.heads if self.gate_spec["per"] == "head" else 1
            state["window_gate"] = zeros(gates, self.reach, self.feature_width if self.by_feature else 1)
        return state

    def spans(self, position, length, is_step):
        """How many tokens, itself included, each token has in its window, [B, C]."""
        if not self.terrace or is_step and self.anchor != "start":
            return torch.full_like(position, self.window)
        at = position if self.anchor == "start" else position - length[:, None]
        return at.remainder(self.window) + self.window + 1

    def forward(self, x, where, cache):
        """x [B, T, M]; `where`: position and real [B, T], cos and sin [B, 1, T, D], padded; `cache` may be None."""
        batch, count, _ = x.shape
        q, k, v = (y.float() for y in self.by_head(x))
        if self.combine["kind"] == "none":
            y, state = torch.zeros_like(q), {"nothing": x.new_zeros(batch, 0)}
        else:
            gate = self.log_gates(x, k) if self.gate_kind != "none" else None
            is_step = cache is not None and cache.tokens > 0 and count == 1
            length = where["position"][:, -1] + where["real"][:, -1]
            span = self.spans(where["position"], length, is_step)
            # the fault of LoLCATs' released code that `reference` keeps: short texts count twice
            twice = (length <= self.window) & (not is_step)
            state = cache.tensors if cache is not None and cache.tokens > 0 else self.empty_state(x)
            outputs = []
            for start in range(0, count, self.chunk_size):
                part = slice(start, start + self.chunk_size)
                y, state = self.chunk(
                    q[:, :, part],
                    k[:, :, part],
                    v[:, :, part],
                    None if gate is None else gate[:, :, part],
                    where["cos"][:, :, part],
                    where["sin"][:, :, part],
                    where["position"][:, part],
                    where["real"][:, part] if where["padded"] else None,
                    span[:, part],
                    twice,
                    state,
                )
                outputs.append(y)
            y = torch.cat(outputs, 2)
        if cache is not None:
            cache.tensors = state
            cache.tokens += count
        return self.output(y.to(x.dtype))

    def chunk(self, q, k, v, gate, cos, sin, position, real, span, twice, state):
        """One chunk from the state before it: outputs [B, H, C, D] and the state after it."""
        count = q.shape[2]
        turned_q, turned_k = rotate(q, cos, sin), rotate(k, cos, sin)
        window_q, window_k = (turned_q, turned_k) if self.window_rope else (q, k)
        linear_q, linear_k = (turned_q, turned_k) if self.linear_rope else (q, k)
        after = {}

        # the kept tokens and the chunk's own, [.., L, ..]; no token: position -1
        own = position if real is None else position.masked_fill(~real, -1)
        places = torch.cat([state["window_position"], own], 1)
        keys = torch.cat([state["window_k"], window_k], 2)
        values = torch.cat([state["window_v"], v], 2)
        old_keys = keys
        if "window_k_linear" in state:
            old_keys = torch.cat([state["window_k_linear"], linear_k], 2)
        total = gates = None
        if gate is not None:
            if real is not None:
                gate = gate * real[:, None, :, None]
            passed = gate.cumsum(2)
            if self.outside:
                gates = torch.cat([state["window_gate"], gate], 2)
                total = gates.cumsum(2)
                now = total[:, :, self.reach :]
        if real is not None:
            # padding goes to the front, so that the last R columns are the last R tokens
            order = (places >= 0).int().argsort(dim=1, stable=True)
            places = places.gather(1, order)
            keys, values, old_keys = pick(keys, order), pick(values, order), pick(old_keys, order)
            if total is not None:
                total, gates = pick(total, order), pick(gates, order)
        kept = slice(count, None)
        after["window_position"] = places[:, kept]
        after["window_k"], after["window_v"] = keys[:, :, kept], values[:, :, kept]
        if "window_k_linear" in state:
            after["window_k_linear"] = old_keys[:, :, kept]
        if gates is not None:
            after["window_gate"] = gates[:, :, kept]

        distance = position[:, :, None] - places[:, None, :]
        seen = (places >= 0)[:, None, :] & (distance >= 0)
        near = seen & (distance < span[:, :, None])
        window = (None, None)
        if self.window > 0:
            first = None
            if self.keep_first > 0:
                slot = torch.arange(self.keep_first, device=q.device)
                here = (own[:, None, :] == slot[:, None]).to(v.dtype)[:, None]
                first = (state["first_k"] + here @ window_k, state["first_v"] + here @ v)
                after["first_k"], after["first_v"] = first
                shown = slot <= (position - span)[:, :, None]
                near_keys, near_values = torch.cat([keys, first[0]], 2), torch.cat([values, first[1]], 2)
                window = self.softmax_sums(window_q, near_keys, near_values, torch.cat([near, shown], 2))
                near = near | (seen & (places < self.keep_first)[:, None, :])
            else:
                window = self.softmax_sums(window_q, keys, values, near)

        linear = (None, None)
        if self.linear:
            if self.outside:
                # columns that may lie outside of a window; the first C leave the kept ones
                reach = self.reach + count if self.anchor == "reference" else count + self.reach - self.window
                keys, values, far = old_keys[:, :, :reach], values[:, :, :reach], seen & ~near
                if self.anchor == "reference":
                    far = torch.where(twice[:, None, None], seen, far)
                far = far[:, :, :reach]
                leaving = ((places >= 0) & (places >= self.keep_first))[:, :count]
            else:
                keys, values, leaving = linear_k, v, own >= 0
                far = leaving[:, None, :] & (position[:, :, None] >= own[:, None, :])
                if gate is not None:
                    total = now = passed
            phi_q, phi_k = self.features(linear_q, "q"), self.features(keys, "k")
            values = self.per_query_head(values)
            far = far[:, None]
            kv_state, k_sum = state["kv_state"], state["k_sum"]
            read, write = phi_q, phi_k[:, :, :count]
            if gate is None:
                weights = (phi_q @ phi_k.transpose(2, 3)).masked_fill(~far, 0)
            else:
                until = total[:, :, : keys.shape[2]]
                if self.by_feature:
                    gap = now[:, :, :, None] - until[:, :, None]
                    decay = gap.masked_fill(~far[..., None], -torch.inf).exp()
                    weights = (phi_q[:, :, :, None] * phi_k[:, :, None] * decay).sum(-1)
                else:
                    decay = (now - until.transpose(2, 3)).masked_fill(~far, -torch.inf).exp()
                    weights = phi_q @ phi_k.transpose(2, 3) * decay
                read = phi_q * passed.exp()
                write = write * (now[:, :, -1:] - until[:, :, :count]).exp()
                through = passed[:, :, -1].exp()
                kv_state, k_sum = kv_state * through[..., None], k_sum * through
            write = write * leaving[:, None, :, None]
            linear = (
                weights @ values + read @ state["kv_state"],
                weights.sum(-1, keepdim=True) + read @ state["k_sum"][..., None],
            )
            after["kv_state"] = kv_state + write.transpose(2, 3) @ values[:, :, :count]
            after["k_sum"] = k_sum + write.sum(2)

        y = self.combined(*window, *linear)
        if real is not None:
            y = y * real[:, None, :, None]
        return y, after

    def softmax_sums(self, q, keys, values, near):
        """Sums of exponentials over the window, the largest being 1: with values [B, H, C, D], without [B, H, C, 1]."""
        keys, values = self.per_query_head(keys), self.per_query_head(values)
        scores = (q * self.width**-0.5) @ keys.transpose(2, 3)
        scores = scores.masked_fill(~near[:, None], -torch.inf)
        if hasattr(self, "sinks"):
            sinks = self.sinks.float()[None, :, None].expand(*scores.shape[:3], -1)
            scores = torch.cat([scores, sinks], 3)
        top = scores.amax(-1, keepdim=True)
        # a row of padding sees nothing
        exponentials = (scores - top.masked_fill(top == -torch.inf, 0)).exp()
        return exponentials[..., : keys.shape[2]] @ values, exponentials.sum(-1, keepdim=True)

    def combined(self, window, window_sum, linear, linear_sum):
        """One output of two branches, each a sum and the sum of its weights; a branch may be None."""
        kind = self.combine["kind"]
        if kind == "shared_denominator":
            if window is None or linear is None:
                return linear * inverse(linear_sum) if window is None else window * inverse(window_sum)
            share = self.window_factor.float().sigmoid()[:, None, None]
            other = 1 - share if self.combine["affine"] else 1
            return (window * share + linear * other) * inverse(window_sum * share + linear_sum * other)
        if linear is not None:
            if self.normalize:
                linear = linear * inverse(linear_sum)
            elif hasattr(self, "output_norm"):
                linear = linear * torch.rsqrt(linear.square().mean(-1, keepdim=True) + 1e-6)
                linear = linear * self.output_norm.weight.float()[:, None]
        if window is None:
            return linear
        window = window * inverse(window_sum)
        if kind == "average":
            return 0.5 * (window + linear)
        window = window * self.alpha.float()[:, None, None]
        return window if linear is None else window + linear


def sliding_window(config, layer):
    """How many tokens a softmax layer of this family sees, itself included; None: all before it."""
    form = config.architecture
    which, kinds = form.get("window_layers", "all"), config.value("layer_types")
    window = config.value(form["sliding_window"]) if "sliding_window" in form else None
    if which == "max_window_layers" and not config.value("use_sliding_window"):
        return None
    if which == "all":
        slides = True
    elif kinds is not None:
        slides = kinds[layer] == "sliding_attention"
    else:
        slides = layer % 2 == 0 if which == "even" else layer >= (config.value("max_window_layers") or 0)
    return window if slides else None


class TeguSoftmaxAttention(TeguHeads):
    """The attention of a layer that stayed as it was; its cache grows with the text."""

    def __init__(self, config, layer):
        super().__init__(config)
        form = config.architecture
        self.window = sliding_window(config, layer)
        self.cap = config.value(form["attention_softcap"]) if "attention_softcap" in form else None

    def forward(self, x, where, cache):
        q, k, v = self.by_head(x)
        q, k = (rotate(y.float(), where["cos"], where["sin"]).to(x.dtype) for y in (q, k))
        real, position = where["real"], where["position"]
        before = 0
        if cache is not None and cache.tokens > 0:
            before = cache.tokens
            k = torch.cat([cache.tensors["keys"], k], 2)
            v = torch.cat([cache.tensors["values"], v], 2)
            real = torch.cat([cache.tensors["real"], real], 1)
            position = torch.cat([cache.tensors["position"], position], 1)
        count = x.shape[1]
        if cache is not None:
            cache.tensors = {"keys": k, "values": v, "real": real, "position": position}
            cache.tokens += count
        k, v = (y.repeat_interleave(self.heads // self.kv_heads, 1) for y in (k, v))
        row = torch.arange(before, before + count, device=x.device)[:, None]
        column = torch.arange(before + count, device=x.device)
        seen = real[:, None, :] & (column <= row)
        if self.window is not None:
            seen = seen & (where["position"][:, :, None] - position[:, None, :] < self.window)
        # padding sees itself: a softmax over nothing would be NaN
        seen = (seen | (column == row))[:, None]
        if self.cap is None:
            return self.output(nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen))
        scores = q @ k.transpose(2, 3) * self.width**-0.5
        scores = capped(scores, self.cap).masked_fill(~seen, -torch.inf)
        return self.output(scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v)


def capped(x, cap):
    """Bent so that it stays within +-cap."""
    return x if cap is None else cap * torch.tanh(x / cap)


class TeguDecoderLayer(nn.Module):
    """Attention and MLP around the residual stream, one after the other or side by side.

    A norm stands before each, and in some families on what comes out; one that a family does not have changes nothing.
    """

    def __init__(self, config, layer):
        super().__init__()
        form = config.architecture
        stays = layer in config.linear_attention["keep_softmax"]
        self.attention_name = form["attention"].removesuffix(".")
        self.add_module(self.attention_name, (TeguSoftmaxAttention if stays else TeguAttention)(config, layer))

        kind = form.get("mlp", "gated")
        first = {"gated": "gate_proj", "plain": "fc1", "experts": "router"}[kind]
        self.mlp_name = form["linears"][first]["name"].split(".")[0]
        prefix = self.mlp_name + "."
        mlp = TeguExperts(config, prefix) if kind == "experts" else TeguMLP(config, linears_of(config, prefix))
        self.add_module(self.mlp_name, mlp)

        self.norm_names = {role: name for role, name in form["norms"].items() if role not in ("q_norm", "k_norm")}
        for name in self.norm_names.values():
            self.add_module(name, norm_of(config, config.hidden_size))
        self.is_parallel = config.holds(form.get("parallel_residual", "never"))

    def normed(self, role, x):
        return getattr(self, self.norm_names[role])(x) if role in self.norm_names else x

    def forward(self, h, where, cache):
        x = self.normed("input_layernorm", h)
        a = getattr(self, self.attention_name)(x, where, cache)
        a = self.normed("attention_output_norm", a)
        if not self.is_parallel:
            h = h + a
            x = self.normed("post_attention_layernorm", h)
        elif "post_attention_layernorm" in self.norm_names:
            x = self.normed("post_attention_layernorm", h)
        m = self.normed("mlp_output_norm", getattr(self, self.mlp_name)(x))
        return h + a + m if self.is_parallel else h + m


class TeguPreTrainedModel(PreTrainedModel):
    config_class = TeguConfig
    base_model_prefix = "model"
    _no_split_modules = ["TeguDecoderLayer"]
    # these stay float32 in every type of the weights; another module's `gate`, such as an MLP's, is none of them
    new_parameters = ["feature_map_q", "feature_map_k", "gate", "window_factor", "sinks", "alpha", "output_norm"]

    def __init__(self, config):
        super().__init__(config)
        if config.architecture is None:
            raise ValueError("config.json: there is no `architecture`; is this an export of Tegu's?")
        # the names of modules are the family's: what transformers takes from the class is told to the instance
        prefix = config.architecture["attention"]
        self._keep_in_fp32_modules_strict = [prefix + name for name in self.new_parameters]
        self.base_model_prefix, self._input_embed_layer = stored_name(config, "embed_tokens").split(".")
        ignored = config.architecture.get("ignored", []) + ["*rotary_emb.inv_freq"]
        patterns = [re.escape(name).replace(r"\*", ".*") for name in ignored]
        self._keys_to_ignore_on_load_unexpected = patterns


def stored_name(config, role):
    """The name of a module outside of the layers."""
    return config.architecture[role].removesuffix(".weight")


class TeguModel(TeguPreTrainedModel):
    """Embedding, layers and final norm."""

    def __init__(self, config):
        super().__init__(config)
        form = config.architecture

        def inner(name):
            return name.removeprefix(self.base_model_prefix + ".")

        self.names = {role: inner(stored_name(config, role)) for role in ("embed_tokens", "norm")}
        self.names["layers"] = inner(form["layer"]).removesuffix(".{layer}.")
        self.add_module(self.names["embed_tokens"], nn.Embedding(config.vocab_size, config.hidden_size))
        if "embed_positions" in form:
            self.names["embed_positions"] = inner(stored_name(config, "embed_positions"))
            positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
            self.add_module(self.names["embed_positions"], positions)
        layers = nn.ModuleList([TeguDecoderLayer(config, i) for i in range(config.num_hidden_layers)])
        self.add_module(self.names["layers"], layers)
        self.add_module(self.names["norm"], norm_of(config, config.hidden_size))
        self.post_init()

    def part(self, role):
        return getattr(self, self.names[role])

    def embed(self, ids):
        h = self.part("embed_tokens")(ids)
        if self.config.architecture.get("embed_scale", "none") == "sqrt_hidden":
            # the root is rounded to the model's type
            h = h * torch.tensor(self.config.hidden_size**0.5).to(h)
        return h

    def learned_positions(self, position):
        size = self.config.max_position_embeddings
        if int(position.max()) >= size:
            raise ValueError(f"the text has more than the {size} tokens that this model has learned positions for")
        return self.part("embed_positions")(position)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_hidden_states=None,
        **kwargs,
    ):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        h = self.embed(input_ids) if inputs_embeds is None else inputs_embeds
        use_cache = self.config.use_cache and not self.training if use_cache is None else use_cache
        cache = past_key_values
        if cache is None and use_cache:
            cache = TeguCache(self.config)
        if cache is not None and not isinstance(cache, TeguCache):
            raise ValueError(f"past_key_values is a {type(cache).__name__}, this model needs its own TeguCache")

        where = self.places(h, attention_mask, position_ids, cache)
        if "embed_positions" in self.names:
            h = h + self.learned_positions(where["position"])
        states = [h]
        for i, layer in enumerate(self.part("layers")):
            h = layer(h, where, None if cache is None else cache.layers[i])
            states.append(h)
        if cache is not None:
            cache.seen = where["position"][:, -1] + where["real"][:, -1]
        h = self.part("norm")(h)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        return BaseModelOutputWithPast(
            last_hidden_state=h,
            past_key_values=cache,
            hidden_states=tuple(states[:-1] + [h]) if output_hidden_states else None,
        )

    def places(self, h, attention_mask, position_ids, cache):
        """Where the tokens stand: `position` and `real` [B, T], `cos` and `sin` [B, 1, T, D], `padded`."""
        batch, count, _ = h.shape
        real = torch.ones(batch, count, dtype=torch.bool, device=h.device)
        padded = False
        if attention_mask is not None:
            if attention_mask.dim() != 2:
                raise ValueError("attention_mask: expected [batch, tokens] of 1 and 0, no mask of pairs")
            real = attention_mask[:, -count:].to(h.device) != 0
            padded = not bool(real.all())
        seen = cache.seen if cache is not None and cache.get_seq_length() > 0 else 0
        if not isinstance(seen, int):
            seen = seen.to(h.device)[:, None]
        position = seen + real.cumsum(1) - real.int()
        if position_ids is not None and count > 1:
            given = position_ids.to(h.device).expand(batch, count)
            if not torch.equal(given[real], position[real]):
                raise ValueError("position_ids: positions count the tokens of a text from 0, others are not known")
        radians, factor = (torch.cat([x, x], -1).to(h.device) for x in rope(self.config))
        # the longest text of a batch decides; what was read before it became long keeps its angles
        is_long = (position[:, -1] + real[:, -1]).amax() > original_length(self.config)
        angle = (position.double()[..., None] * radians[is_long.int()])[:, None]
        return {
            "position": position,
            "real": real,
            "padded": padded,
            "cos": (angle.cos() * factor).float(),
            "sin": (angle.sin() * factor).float(),
        }


class TeguForCausalLM(TeguPreTrainedModel, GenerationMixin):
    """The model and its head, which may be the embedding."""

    def __init__(self, config):
        super().__init__(config)
        form = config.architecture
        self.add_module(self.base_model_prefix, TeguModel(config))
        self.vocab_size = config.vocab_size
        self.head_name = stored_name(config, "lm_head")
        has_bias = config.holds(form.get("lm_head_bias", "never"))
        self.add_module(self.head_name, nn.Linear(config.hidden_size, config.vocab_size, bias=has_bias))
        self._tied_weights_keys = {form["lm_head"]: form["embed_tokens"]}
        self.post_init()

    def get_output_embeddings(self):
        return getattr(self, self.head_name)

    def set_output_embeddings(self, head):
        setattr(self, self.head_name, head)

    def _prepare_cache_for_generation(self, generation_config, model_kwargs, *args, **kwargs):
        if generation_config.cache_implementation is not None:
            raise ValueError("cache_implementation: this model has one kind of state, leave it out")
        if generation_config.use_cache and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = TeguCache(self.config)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_hidden_states=None,
        return_dict=None,
        logits_to_keep=0,
        **kwargs,
    ):
        outputs = self.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.get_output_embeddings()(outputs.last_hidden_state[:, kept])
        if "final_softcap" in self.config.architecture:
            logits = capped(logits, self.config.value(self.config.architecture["final_softcap"]))
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        result = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
        )
        return result.to_tuple() if return_dict is False else result
