"""Configuration of a model whose softmax attention Tegu replaced by linear attention and a window."""

from transformers import PretrainedConfig


class TeguConfig(PretrainedConfig):
    """The config that the model was made from, what its layers compute, and how its family names things.

    `linear_attention` holds `version`, `base_model_type` and every switch of the attention; `keep_softmax` lists the
    layers that were left as they were. The formula is in the docstring of `TeguAttention`.

    `architecture` says where the family keeps its tensors and its keys of config.json, and what is special about its
    layers. The keys stay as they are; the model reads them by Llama's names: `config.value("hidden_size")`.
    """

    model_type = "tegu"
    keys_to_ignore_at_inference = ["past_key_values"]

    # attributes of this config whatever the family calls them, and what they are where nothing is said
    STANDARD = {
        "vocab_size": None,
        "hidden_size": None,
        "intermediate_size": None,
        "num_hidden_layers": None,
        "num_attention_heads": None,
        "num_key_value_heads": None,
        "head_dim": None,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "norm_eps": 1e-6,
        "tie_word_embeddings": False,
    }

    def __init__(self, architecture=None, linear_attention=None, use_cache=True, **kwargs):
        self.architecture, self.linear_attention, self.use_cache = architecture, linear_attention, use_cache
        if architecture is None or linear_attention is None:
            # a student that is no export, of which PEFT asks the size of the vocabulary alone
            super().__init__(**kwargs)
            return
        if linear_attention["version"] > 1:
            raise ValueError(
                f"linear_attention.version is {linear_attention['version']}, this file reads 1; "
                "use the modeling files that were exported with the weights"
            )
        scaling = kwargs.pop("rope_scaling", None)
        rope = dict(kwargs.pop("rope_parameters", None) or scaling or {})
        super().__init__(**kwargs)
        for key, default in self.STANDARD.items():
            value = self.value(key)
            setattr(self, key, default if value is None else value)
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        rope.setdefault("rope_type", rope.pop("type", "default"))
        rope.setdefault("rope_theta", self.value("rope_theta") or 10000.0)
        rope.setdefault("partial_rotary_factor", self.value("rotary_factor") or 1.0)
        self.rope_parameters = rope

    def value(self, key):
        """What the family's config.json says by Llama's name of the key; where it has none, the family's default.

        A default that is a product, such as `4*hidden_size`, stands for null, too.
        """
        given = self.__dict__
        own, default = self.architecture.get("keys", {}).get(key, key), self.architecture.get("defaults", {}).get(key)
        value = given.get(own, given.get(key, default))
        if isinstance(default, str) and "*" in default and value in (None, default):
            factor, other = default.split("*")
            return int(factor) * self.value(other)
        return value

    def holds(self, rule):
        """Whether a rule of the architecture holds: `never`, `always`, or the key that decides."""
        return rule == "always" or rule != "never" and bool(self.value(rule))
