  # Softmax attention of a piece of a text after the tokens of a cache. Letters as in decoder.py, P
  # tokens in the cache.

  def softmax_piece(self, q: Tensor, k: Tensor, v: Tensor, p: Dict[str, Tensor], past_k: Tensor, past_v: Tensor) -> List[Tensor]:
    # new q [B, H, T, D]; k, v [B, K, T, D]; cache [B, K, P, D] -> output, all keys (rotated), all
    # values. p: cos, sin; visible [B, 1, T, P + T] and mask [B, T] where padding or texts decide.
    B = q.size(0)
    T = q.size(2)
    P = past_k.size(2)
    K = self.num_kv_heads
    G = self.num_heads // K
    keys = torch.cat([past_k, self.rotate(k, p["cos"], p["sin"])], 2)
    values = torch.cat([past_v, v], 2)
    if P == 0 and "visible" not in p:
      a = self.softmax_attention(q, k, v, p["cos"], p["sin"])
    else:
      # Query heads of one key/value head as rows of one product: a mask beside heads that are shared
      # would make PyTorch store all weights.
      q = self.rotate(q, p["cos"], p["sin"]).reshape([B, K, G * T, self.head_dim])
      seen = annotate(Optional[Tensor], None)
      if "visible" in p:
        seen = p["visible"].repeat([1, 1, G, 1])
      elif T > 1:
        row = torch.arange(T, device=q.device).unsqueeze(1) + P
        column = torch.arange(P + T, device=q.device).unsqueeze(0)
        seen = (column <= row).repeat([G, 1])
      a = torch.scaled_dot_product_attention(q, keys, values, seen, 0.0, False, scale=None, enable_gqa=False)
      a = a.reshape([B, self.num_heads, T, self.head_dim])
    if "mask" in p:
      a = a.masked_fill((p["mask"] == 0).unsqueeze(1).unsqueeze(3), 0.0)
    return [a, keys, values]

  def widen(self, x: Tensor) -> Tensor:
    return x.to(6)

  def as_type_of(self, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)
