"""Configuration of a model whose softmax attention Tegu replaced by linear attention and a window."""

from transformers import PretrainedConfig


class TeguConfig(PretrainedConfig):
    """The Llama config that the model was made from, and `linear_attention`: what its layers compute.

    `linear_attention` holds `version`, `base_model_type` and every switch of the attention; `keep_softmax` lists the
    layers that were left as they were. The formula is in the docstring of `TeguAttention`.
    """

    model_type = "tegu"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(
        self,
        vocab_size=32000,
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=None,
        head_dim=None,
        hidden_act="silu",
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
        attention_bias=False,
        mlp_bias=False,
        tie_word_embeddings=False,
        use_cache=True,
        rope_theta=10000.0,
        rope_scaling=None,
        rope_parameters=None,
        linear_attention=None,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads or num_attention_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.hidden_act = hidden_act
        self.max_position_embeddings = max_position_embeddings
        self.rms_norm_eps = rms_norm_eps
        self.attention_bias = attention_bias
        self.mlp_bias = mlp_bias
        self.use_cache = use_cache
        rope = dict(rope_parameters or rope_scaling or {})
        rope.setdefault("rope_type", rope.pop("type", "default"))
        rope.setdefault("rope_theta", rope_theta)
        self.rope_parameters = rope
        self.linear_attention = linear_attention
        if linear_attention is not None:
            if linear_attention["version"] > 1:
                raise ValueError(
                    f"linear_attention.version is {linear_attention['version']}, this file reads 1; "
                    "use the modeling files that were exported with the weights"
                )
            if linear_attention["base_model_type"] != "llama":
                raise ValueError(
                    f"linear_attention.base_model_type is `{linear_attention['base_model_type']}`; "
                    "this file computes layers of `llama` alone"
                )
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)
