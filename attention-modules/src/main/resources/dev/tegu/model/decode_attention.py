  # Attention of one token a row, see decode.py. The token's window slot and cache column are written
  # where they stand; everything between is float32.

  def softmax_token(self, y: Tensor, turn: Tensor, w: Dict[str, Tensor], s: Dict[str, Tensor]) -> Tensor:
    # y: q, k, v side by side [B, (H + 2 K) D] -> [B, H D]. The query heads of a key/value head are
    # rows of one product, since a single token may see all columns.
    B = y.size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    n = self.columns
    q, k, v = torch.split_with_sizes(y.to(6).view([B, H + 2 * K, D]), [H, K, K], 1)
    q = torch.bmm(q, turn).to(y.dtype).view([B, K, H // K, D])
    k = torch.bmm(k, turn)
    _0 = torch.select(s["keys"], 2, n).copy_(k)
    _1 = torch.select(s["values"], 2, n).copy_(v)
    window = n + 1
    if "window" in w:
      window = min(window, int(w["window"]))
    first = 0
    seen = annotate(Optional[Tensor], None)
    if "visible" in self.work:
      known = torch.narrow(self.work["visible"], 3, 0, n + 1)
      if window < n + 1:
        # the last ones of those, whatever padding stands between
        known = torch.logical_and(known, known.flip([3]).cumsum(3, dtype=3).flip([3]) <= window)
      seen = known
    else:
      first = n + 1 - window
    keys = torch.narrow(s["keys"], 2, first, n + 1 - first)
    values = torch.narrow(s["values"], 2, first, n + 1 - first)
    a = torch.scaled_dot_product_attention(q, keys, values, seen, 0.0, False, scale=None, enable_gqa=False)
    return a.reshape([B, H * D])

  def linear_token(self, x: Tensor, y: Tensor, turn: Tensor, w: Dict[str, Tensor], s: Dict[str, Tensor]) -> Tensor:
    # x: the layer's input [B, M], float32 where a gate reads it; y as above -> [B, H D]
    B = y.size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    q, k, v = torch.split_with_sizes(y.to(6).view([B, H + 2 * K, D]), [H, K, K], 1)
    turned_q = q
    if self.window_rope or self.linear_rope:
      turned_q = torch.bmm(q, turn)
    q_linear = q
    if self.linear_rope:
      q_linear = turned_q
    # new_kv [B, K, 1, D + E]: key, value and its one, as a slot of the window holds them
    token = self.work["new_kv"]
    new_k = self.work["new_kv.key"]
    new_v = self.work["new_kv.entry"]
    k_linear = k
    if self.window_rope and self.reach > 0:
      new_k = torch.bmm(k, turn, out=new_k)
    elif self.reach > 0:
      new_k = new_k.copy_(k)
    if self.linear_rope and self.window_rope and self.reach > 0:
      k_linear = new_k
    elif self.linear_rope and self.linear:
      k_linear = torch.bmm(k, turn)
    _0 = self.work["new_kv.number"].copy_(v)
    far = annotate(Optional[Tensor], None)
    near = annotate(Optional[Tensor], None)
    top = annotate(Optional[Tensor], None)
    if self.outside_window:
      # the oldest token leaves the window for the sums; what an unused slot adds is zero
      old = torch.index_select(s["window"], 2, self.work["slot"])
      old_k = torch.narrow(old, 3, 0, D).view([B, K, D])
      old_v = torch.narrow(old, 3, D, self.value_width()).unsqueeze(2)
      far = self.far_token(q_linear, old_k, old_v, k, x, w, s)
    if self.reach > 0:
      _1 = s["window"].index_copy_(2, self.work["slot"], token)
      q_window = q
      if self.window_rope:
        q_window = turned_q
      near, top = self.near_token(q_window, s)
    if self.linear and not self.outside_window:
      far = self.far_token(q_linear, k_linear, new_v, k, x, w, s)
    self.combine_token(near, top, far, w)
    return self.work["attended.flat"]

  def near_token(self, q: Tensor, s: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    # softmax over the window and the sinks: sums [B, H, E] of weights that sum up to 1, and the
    # largest weight [B, H, 1], which is 1 over the sum of exponentials that count the largest as 1
    B = q.size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    rows = q.reshape([B * K, H // K, D])
    scores = s["scores"].baddbmm_(rows, s["window.keys"], beta=0, alpha=float(D) ** -0.5)
    if self.short > 0:
      scores = scores.add_(self.work["unseen"])
    weights = torch.softmax(s["scores.all"], -1)
    near = torch.bmm(weights, s["window.values"]).view([B, H, -1])
    top = weights
    if self.combine_kind == "shared_denominator" and self.linear:
      top = weights.amax([-1], True).view([B, H, 1])
    return (near, top)

  def far_token(self, q: Tensor, k: Tensor, v: Tensor, plain_k: Tensor, x: Tensor, w: Dict[str, Tensor], s: Dict[str, Tensor]) -> Tensor:
    # a key [B, K, D] with its value and its one [B, K, 1, 1, E] enters the sums [B, K, G, F, E]; what the
    # query [B, H, D] reads of them: [B, H, E]
    B = q.size(0)
    H = self.num_heads
    K = self.num_kv_heads
    sums = s["sums"]
    if self.gated:
      sums = sums.mul_(self.decay(plain_k, x, w))
    if "map_q" in w:
      _0 = torch.bmm(q.transpose(0, 1), w["map_q"], out=self.work["features.q"])
      _1 = torch.bmm(k.transpose(0, 1), w["map_k"], out=self.work["features.k"])
      if "map_bias" in w:
        _2 = self.work["features"].add_(w["map_bias"])
      both = torch.softmax(self.work["features"], -1).clamp_(1e-12)
      fq = torch.select(both, 0, 0)
      fk = torch.select(both, 0, 1)
    else:
      fq = self.features(q.unsqueeze(2), "q", w)
      fk = self.features(k.unsqueeze(2), "k", w)
    entering = fk.reshape([B, K, H // K, -1, 1])
    sums = sums.addcmul_(entering, v)
    read = torch.bmm(fq.reshape([B * H, 1, -1]), s["sums.flat"])
    return read.view([B, H, -1])

  def decay(self, k: Tensor, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # what the sums are multiplied with, [B, K or 1, G or 1, F or 1, 1]
    if self.gate == "scalar":
      if "gate.bias" in w:
        g = torch.addmm(w["gate.bias"], x, w["gate.turned"])
      else:
        g = torch.mm(x, w["gate.turned"])
      g = g.sigmoid_()
    else:
      w["x"] = x.unsqueeze(1)
      g = torch.exp(self.log_gate(k.unsqueeze(2), w))
    K = 1
    G = 1
    if self.gate_heads > 1:
      K = self.num_kv_heads
      G = self.num_heads // K
    return g.reshape([x.size(0), K, G, -1, 1])

  def combine_token(self, near: Optional[Tensor], top: Optional[Tensor], far: Optional[Tensor], w: Dict[str, Tensor]) -> None:
    # both [B, H, E], a branch that is off is absent -> `attended`, in the model's type
    D = self.head_dim
    out = self.work["attended"]
    if self.combine_kind == "shared_denominator":
      if near is not None and far is not None and top is not None:
        total = torch.addcmul(near, far, top * w["far"])
      elif near is not None:
        total = near
      else:
        assert far is not None
        total = far
      _0 = torch.div(torch.narrow(total, 2, 0, D), torch.narrow(total, 2, D, 1), out=out)
    elif self.combine_kind != "none":
      assert far is not None
      y = torch.narrow(far, 2, 0, D)
      if self.normalize:
        weight = torch.narrow(far, 2, D, 1)
        if self.outside_window:
          # nothing has left the window yet
          weight = torch.clamp(weight, 1e-30)
        y = y / weight
      elif "output_norm.weight" in w:
        y = y * torch.rsqrt((y * y).mean([-1], True) + 1e-6) * w["output_norm.weight"]
      if near is None:
        _1 = out.copy_(y)
      elif self.combine_kind == "average":
        _2 = out.copy_(torch.lerp(y, torch.narrow(near, 2, 0, D), 0.5))
      else:
        _3 = torch.addcmul(y, torch.narrow(near, 2, 0, D), w["alpha"].reshape([1, self.num_heads, 1]), out=out)
    return None
