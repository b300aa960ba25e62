  # Softmax attention of a piece of a text after the tokens of a cache. Letters as in decoder.py, P
  # tokens in the cache.
  # `p` holds cos and sin; visible [B, 1, T, P + T] and mask [B, T] where padding or texts decide; window
  # [], on the CPU, where a token sees no more than so many, itself among them.

  def sees_all(self, columns: int, p: Dict[str, Tensor]) -> bool:
    # whether each token sees all up to itself, and nothing caps its scores
    slides = False
    if "window" in p:
      slides = int(p["window"]) < columns
    return "visible" not in p and not slides and self.attention_softcap == 0.0

  def sight(self, T: int, P: int, p: Dict[str, Tensor], like: Tensor) -> Optional[Tensor]:
    # which of P + T columns each of T tokens sees, [B or 1, 1, T, P + T]; absent: all
    window = P + T
    if "window" in p:
      window = min(window, int(p["window"]))
    column = torch.arange(P + T, device=like.device).unsqueeze(0)
    row = torch.arange(P, P + T, device=like.device).unsqueeze(1)
    seen = annotate(Optional[Tensor], None)
    if "visible" in p:
      known = p["visible"]
      if window < P + T:
        # the last ones of those, whatever padding stands between
        later = known.flip([3]).cumsum(3, dtype=3).flip([3])
        known = torch.logical_and(known, later <= window)
      seen = known
    elif window < P + T:
      seen = torch.logical_and(column <= row, column > row - window).unsqueeze(0).unsqueeze(0)
    elif T > 1:
      seen = (column <= row).unsqueeze(0).unsqueeze(0)
    return seen

  def softmax_piece(self, q: Tensor, k: Tensor, v: Tensor, p: Dict[str, Tensor], past_k: Tensor, past_v: Tensor) -> List[Tensor]:
    # new q [B, H, T, D]; k, v [B, K, T, D]; cache [B, K, P, D] -> output, all keys (rotated), all
    # values
    B = q.size(0)
    T = q.size(2)
    P = past_k.size(2)
    K = self.num_kv_heads
    G = self.num_heads // K
    keys = torch.cat([past_k, self.rotated(k, p["cos"], p["sin"])], 2)
    values = torch.cat([past_v, v], 2)
    if P == 0 and self.sees_all(T, p):
      a = self.softmax_attention(q, k, v, p["cos"], p["sin"])
    else:
      # Query heads of one key/value head as rows of one product: a mask beside heads that are shared
      # would make PyTorch store all weights.
      q = self.rotated(q, p["cos"], p["sin"]).reshape([B, K, G * T, self.head_dim])
      seen = self.sight(T, P, p, q)
      if seen is not None:
        seen = seen.repeat([1, 1, G, 1])
      if self.attention_softcap > 0.0:
        a = self.capped_attention(q, keys, values, seen)
      else:
        a = torch.scaled_dot_product_attention(q, keys, values, seen, 0.0, False, scale=None, enable_gqa=False)
      a = a.reshape([B, self.num_heads, T, self.head_dim])
    if "mask" in p:
      a = a.masked_fill((p["mask"] == 0).unsqueeze(1).unsqueeze(3), 0.0)
    return [a, keys, values]

  def capped_attention(self, q: Tensor, k: Tensor, v: Tensor, seen: Optional[Tensor]) -> Tensor:
    scores = torch.matmul(q, k.transpose(2, 3)).to(6) * (float(q.size(3)) ** -0.5)
    scores = self.capped(scores, self.attention_softcap)
    if seen is not None:
      scores = scores.masked_fill(torch.logical_not(seen), -inf)
    return torch.matmul(torch.softmax(scores, -1).to(v.dtype), v)

  def widen(self, x: Tensor) -> Tensor:
    return x.to(6)

  def as_type_of(self, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)
