  # The linearized attention layer, chunked and step form. See docs/attention.md for the formula.
  # Letters: B batch, H query heads, K key/value heads, G = H / K, T new tokens, D head width,
  # F feature width, W window, C rows of a chunk, N chunks, S gate heads (1 or H).
  #
  # `p` holds what the spec asks for: cos, sin [T, D]; x [B, T, M] (layer input) with gate.weight
  # [S, M] and gate.bias [S], or the log-gate g [B, S, T] itself; feature_map_{q,k}.{weight,bias};
  # window_factor [H]; sinks [H, m]; alpha [H].
  # `s` is the state before the new tokens, see `empty_state`.

  def wide(self, x: Tensor) -> Tensor:
    # float32, or float64 where a test asks for it
    if x.dtype == 7:
      y = x
    else:
      y = x.to(6)
    return y

  def rotate(self, x: Tensor, p: Dict[str, Tensor]) -> Tensor:
    y = x
    if "cos" in p:
      half = x.size(-1) // 2
      turned = torch.cat([-x[..., half:], x[..., :half]], -1)
      y = x * p["cos"] + turned * p["sin"]
    return y

  def features(self, x: Tensor, name: str, p: Dict[str, Tensor]) -> Tensor:
    # [B, H or K, T, D] -> [B, H, T, F]
    B = x.size(0)
    heads = x.size(1)
    T = x.size(2)
    if self.feature_map == "identity":
      y = x.unsqueeze(2).expand([B, heads, self.num_heads // heads, T, x.size(3)])
      y = y.reshape([B, self.num_heads, T, x.size(3)])
    else:
      weight = p[name + ".weight"]
      w = weight.reshape([heads, self.num_heads // heads, weight.size(1), weight.size(2)])
      z = torch.matmul(x.unsqueeze(2), w)
      z = z.reshape([B, self.num_heads, T, weight.size(2)])
      if name + ".bias" in p:
        z = z + p[name + ".bias"].unsqueeze(1)
      y = torch.cat([torch.softmax(z, -1), torch.softmax(-z, -1)], -1)
      # LoLCATs' floor: no feature is ever exactly zero
      y = torch.clamp(y, 1e-12)
    return y

  def log_gate(self, p: Dict[str, Tensor], like: Tensor) -> Tensor:
    # [B, S, T], every entry at most 0
    if "g" in p:
      g = self.wide(p["g"])
    else:
      u = torch.matmul(self.wide(p["x"]), p["gate.weight"].t())
      if "gate.bias" in p:
        u = u + p["gate.bias"]
      g = torch.log_sigmoid(u).transpose(1, 2)
    return g

  def head_repeat(self, x: Tensor) -> Tensor:
    # [B, K, T, D] -> [B, H, T, D], each key/value head serving G neighbouring query heads
    K = x.size(1)
    y = x.unsqueeze(2).expand([x.size(0), K, self.num_heads // K, x.size(2), x.size(3)])
    return y.reshape([x.size(0), self.num_heads, x.size(2), x.size(3)])

  def combine(self, num_w: Tensor, den_w: Tensor, num_l: Tensor, den_l: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # numerators [B, H, T, D], denominators [B, H, T, 1]; a branch that is off is all zero, and so
    # is one that is ablated
    if self.ablate_window:
      num_w = torch.zeros_like(num_w)
      den_w = torch.zeros_like(den_w)
    if self.ablate_linear:
      num_l = torch.zeros_like(num_l)
      den_l = torch.zeros_like(den_l)
    if self.combine_kind == "shared_denominator":
      if "window_factor" in p:
        factor = torch.sigmoid(p["window_factor"]).reshape([1, self.num_heads, 1, 1])
        num = num_w * factor + num_l
        den = den_w * factor + den_l
      else:
        num = num_w + num_l
        den = den_w + den_l
      y = self.ratio(num, den)
    else:
      if self.normalize:
        y = self.ratio(num_l, den_l)
      else:
        y = num_l
      if self.window_size > 0:
        y = y + self.ratio(num_w, den_w) * p["alpha"].reshape([1, self.num_heads, 1, 1])
    return y

  def ratio(self, num: Tensor, den: Tensor) -> Tensor:
    # 0 where nothing was summed, with a gradient of 0 rather than NaN
    none = den == 0.0
    return num / den.masked_fill(none, 1.0)

  def empty_state(self, q: Tensor, k: Tensor, v: Tensor) -> List[Tensor]:
    # window_k [B, K, W, D], window_v [B, K, W, D], window_k_linear [B, K, W, D] or empty,
    # window_g [B, S, W] or empty, kv_state [B, H, F, D], k_sum [B, H, F], seen []
    like = self.wide(q[:, :0, :0, :0])
    B = q.size(0)
    K = k.size(1)
    W = self.window_size
    D = v.size(3)
    window_k = torch.zeros([B, K, W, k.size(3)], dtype=like.dtype, device=q.device)
    window_v = torch.zeros([B, K, W, D], dtype=like.dtype, device=q.device)
    window_k_linear = torch.zeros([0], dtype=like.dtype, device=q.device)
    window_g = torch.zeros([0], dtype=like.dtype, device=q.device)
    F = 0
    if self.linear:
      F = self.feature_width
    if self.keeps_linear_keys:
      window_k_linear = torch.zeros([B, K, W, k.size(3)], dtype=like.dtype, device=q.device)
    if self.keeps_gates:
      window_g = torch.zeros([B, self.gate_heads, W], dtype=like.dtype, device=q.device)
    kv_state = torch.zeros([B, self.num_heads, F, D], dtype=like.dtype, device=q.device)
    k_sum = torch.zeros([B, self.num_heads, F], dtype=like.dtype, device=q.device)
    seen = torch.zeros([], dtype=4, device=q.device)
    return [window_k, window_v, window_k_linear, window_g, kv_state, k_sum, seen]

  def pad_rows(self, x: Tensor, rows: int) -> Tensor:
    # zeros after the last row of the second last dimension
    y = x
    if rows > x.size(-2):
      y = torch.constant_pad_nd(x, [0, 0, 0, rows - x.size(-2)], 0)
    return y

  def window_branch(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor, p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    # q [B, H, T, D]; k, v [B, K, W + T, D], the window kept from before in front.
    # Blocks of C queries against the m + 1 blocks of keys that hold their windows: O(T (W + C)).
    B = q.size(0)
    H = q.size(1)
    T = q.size(2)
    D = q.size(3)
    K = k.size(1)
    G = H // K
    W = self.window_size
    C = min(self.window_block, T)
    N = (T + C - 1) // C
    m = (W + C - 1) // C
    P = m * C - W
    kb = torch.constant_pad_nd(k, [0, 0, P, N * C - T], 0).reshape([B, K, N + m, C, D])
    vb = torch.constant_pad_nd(v, [0, 0, P, N * C - T], 0).reshape([B, K, N + m, C, v.size(3)])
    keys = annotate(List[Tensor], [])
    values = annotate(List[Tensor], [])
    for i in range(m + 1):
      keys.append(kb[:, :, i:i + N])
      values.append(vb[:, :, i:i + N])
    kw = torch.cat(keys, 3)
    vw = torch.cat(values, 3)
    width = (m + 1) * C
    qb = self.pad_rows(q, N * C).reshape([B, K, G, N, C, D]).permute([0, 1, 3, 2, 4, 5])
    qb = qb.reshape([B, K, N, G * C, D]) * (float(D) ** -0.5)
    scores = torch.matmul(qb, kw.transpose(3, 4)).reshape([B, K, N, G, C, width])
    row = torch.arange(C, device=q.device).unsqueeze(1)
    column = torch.arange(width, device=q.device).unsqueeze(0)
    band = torch.logical_and(column > row + P, column <= row + m * C)
    block = torch.arange(N, device=q.device).reshape([N, 1, 1])
    real = column.unsqueeze(0) + block * C >= m * C - torch.clamp(seen, 0, W)
    mask = torch.logical_and(band.unsqueeze(0), real).unsqueeze(1)
    scores = scores.masked_fill(torch.logical_not(mask), -inf)
    top = scores.amax([-1], True)
    if "sinks" in p:
      sinks = p["sinks"].reshape([1, K, 1, G, 1, p["sinks"].size(1)])
      top = torch.maximum(top, sinks.amax([-1], True))
      e = torch.exp(scores - top)
      den = e.sum([-1], True) + torch.exp(sinks - top).sum([-1], True)
    else:
      e = torch.exp(scores - top)
      den = e.sum([-1], True)
    num = torch.matmul(e.reshape([B, K, N, G * C, width]), vw).reshape([B, K, N, G, C, v.size(3)])
    num = num.permute([0, 1, 3, 2, 4, 5]).reshape([B, H, N * C, v.size(3)])
    den = den.permute([0, 1, 3, 2, 4, 5]).reshape([B, H, N * C, 1])
    return (num[:, :, :T], den[:, :, :T])

  def linear_branch(self, fq: Tensor, fk: Tensor, v: Tensor, g: Optional[Tensor], kv: Tensor) -> Tuple[Tensor, Tensor]:
    # fq, fk [B, H, T, F]; v [B, H, T, D + 1], its last column ones, so that the normaliser is one
    # more value; g [B, S, T] or None; kv [B, H, F, D + 1], the state before. Time and memory O(T).
    B = fq.size(0)
    H = fq.size(1)
    T = fq.size(2)
    F = fq.size(3)
    V = v.size(3)
    C = min(self.chunk_size, T)
    N = (T + C - 1) // C
    q4 = self.pad_rows(fq, N * C).reshape([B, H, N, C, F])
    k4 = self.pad_rows(fk, N * C).reshape([B, H, N, C, F])
    v4 = self.pad_rows(v, N * C).reshape([B, H, N, C, V])
    weights = torch.matmul(q4, k4.transpose(3, 4))
    if g is not None:
      S = g.size(1)
      b = self.pad_rows(g.unsqueeze(3), N * C).reshape([B, S, N, C]).cumsum(3)
      last = b[:, :, :, C - 1:]
      # every exponent is at most 0; the upper triangle, where it is not, is cut before exp
      gap = b.unsqueeze(4) - b.unsqueeze(3)
      lower = torch.ones([C, C], dtype=11, device=fq.device).tril()
      decay = torch.exp(gap.masked_fill(torch.logical_not(lower), -inf))
      out = torch.matmul(weights * decay, v4)
      sums = torch.matmul((k4 * torch.exp(last - b).unsqueeze(4)).transpose(3, 4), v4)
      through = torch.exp(last).unsqueeze(4)
      entering = annotate(List[Tensor], [])
      state = kv
      for n in range(N):
        entering.append(state)
        state = state * through[:, :, n] + sums[:, :, n]
      out = out + torch.matmul(q4 * torch.exp(b).unsqueeze(4), torch.stack(entering, 2))
    else:
      out = torch.matmul(weights.tril(), v4)
      sums = torch.matmul(k4.transpose(3, 4), v4)
      states = torch.cat([kv.unsqueeze(2), sums], 2).cumsum(2)
      state = states[:, :, N]
      out = out + torch.matmul(q4, states[:, :, :N])
    return (out.reshape([B, H, N * C, V])[:, :, :T], state)

  def chunked(self, q_in: Tensor, k_in: Tensor, v_in: Tensor, p: Dict[str, Tensor], s: Dict[str, Tensor]) -> List[Tensor]:
    # q [B, H, T, D]; k, v [B, K, T, D] -> output [B, H, T, D], then the state after the tokens
    q = self.wide(q_in)
    k = self.wide(k_in)
    v = self.wide(v_in)
    T = q.size(2)
    W = self.window_size
    seen = s["seen"]
    qr = self.rotate(q, p)
    kr = self.rotate(k, p)
    qw = q
    kw = k
    if self.window_rope:
      qw = qr
      kw = kr
    ql = q
    kl = k
    if self.linear_rope:
      ql = qr
      kl = kr
    num_w = torch.zeros([1], dtype=q.dtype, device=q.device)
    den_w = num_w
    num_l = num_w
    den_l = num_w
    all_k = torch.cat([s["window_k"], kw], 2)
    all_v = torch.cat([s["window_v"], v], 2)
    window_k_linear = s["window_k_linear"]
    window_g = s["window_g"]
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    if W > 0:
      num_w, den_w = self.window_branch(qw, all_k, all_v, seen, p)
    if self.linear:
      fq = self.features(ql, "feature_map_q", p)
      g = annotate(Optional[Tensor], None)
      if self.gated:
        g = self.log_gate(p, q)
      if self.outside_window:
        # the token that leaves the window as token t enters stands at t of `all`
        old_k = all_k
        if self.keeps_linear_keys:
          old_k = torch.cat([s["window_k_linear"], kl], 2)
          window_k_linear = old_k[:, :, T:]
        fk = self.features(old_k[:, :, :T], "feature_map_k", p)
        real = torch.arange(T, device=q.device) >= W - torch.clamp(seen, 0, W)
        fk = fk * real.unsqueeze(1)
        vl = all_v[:, :, :T]
        if g is not None:
          # it has already lived through W gates
          all_g = torch.cat([s["window_g"], g], 2)
          total = all_g.cumsum(2)
          fk = fk * torch.exp(total[:, :, W:] - total[:, :, :T]).unsqueeze(3)
          window_g = all_g[:, :, T:]
      else:
        fk = self.features(kl, "feature_map_k", p)
        vl = v
      vl = torch.constant_pad_nd(self.head_repeat(vl), [0, 1], 1.0)
      kv = torch.cat([kv_state, k_sum.unsqueeze(3)], 3)
      out, kv = self.linear_branch(fq, fk, vl, g, kv)
      D = v.size(3)
      num_l = out[..., :D]
      den_l = out[..., D:]
      kv_state = kv[..., :D]
      k_sum = kv[..., D]
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.combine(num_w, den_w, num_l, den_l, p)
    return [y.to(q_in.dtype), all_k[:, :, T:], all_v[:, :, T:], window_k_linear, window_g, kv_state, k_sum, seen + T]

  def step(self, q_in: Tensor, k_in: Tensor, v_in: Tensor, p: Dict[str, Tensor], s: Dict[str, Tensor]) -> List[Tensor]:
    # one token: q [B, H, 1, D]; k, v [B, K, 1, D]; time and memory O(1) in the context
    q = self.wide(q_in)
    k = self.wide(k_in)
    v = self.wide(v_in)
    B = q.size(0)
    H = q.size(1)
    D = q.size(3)
    K = k.size(1)
    G = H // K
    W = self.window_size
    seen = s["seen"]
    qr = self.rotate(q, p)
    kr = self.rotate(k, p)
    num_w = torch.zeros([1], dtype=q.dtype, device=q.device)
    den_w = num_w
    num_l = num_w
    den_l = num_w
    window_k = s["window_k"]
    window_v = s["window_v"]
    window_k_linear = s["window_k_linear"]
    window_g = s["window_g"]
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    kl = k
    ql = q
    if self.linear_rope:
      kl = kr
      ql = qr
    if self.linear:
      entering_k = kl
      entering_v = v
      weight = torch.ones([1], dtype=q.dtype, device=q.device)
      if self.outside_window:
        if W > 0:
          entering_k = window_k[:, :, :1]
          entering_v = window_v[:, :, :1]
          if self.keeps_linear_keys:
            entering_k = window_k_linear[:, :, :1]
            window_k_linear = torch.cat([window_k_linear[:, :, 1:], kl], 2)
          weight = (seen >= W).to(q.dtype)
      fk = self.features(entering_k, "feature_map_k", p).squeeze(2)
      if self.gated:
        g = self.log_gate(p, q)
        kv_state = kv_state * torch.exp(g).unsqueeze(3)
        k_sum = k_sum * torch.exp(g)
        if self.keeps_gates:
          window_g = torch.cat([window_g[:, :, 1:], g], 2)
          fk = fk * torch.exp(window_g.sum([2], True))
      fk = fk * weight
      ve = self.head_repeat(entering_v)
      kv_state = kv_state + fk.unsqueeze(3) * ve
      k_sum = k_sum + fk
      fq = self.features(ql, "feature_map_q", p)
      num_l = torch.matmul(fq, kv_state)
      den_l = torch.matmul(fq, k_sum.unsqueeze(3))
    if W > 0:
      kw = k
      qw = q
      if self.window_rope:
        kw = kr
        qw = qr
      window_k = torch.cat([window_k[:, :, 1:], kw], 2)
      window_v = torch.cat([window_v[:, :, 1:], v], 2)
      scores = torch.matmul(qw.reshape([B, K, G, D]) * (float(D) ** -0.5), window_k.transpose(2, 3))
      empty = torch.arange(W, device=q.device) < W - 1 - seen
      scores = scores.masked_fill(empty, -inf)
      top = scores.amax([-1], True)
      if "sinks" in p:
        sinks = p["sinks"].reshape([1, K, G, p["sinks"].size(1)])
        top = torch.maximum(top, sinks.amax([-1], True))
        e = torch.exp(scores - top)
        den_w = e.sum([-1], True) + torch.exp(sinks - top).sum([-1], True)
      else:
        e = torch.exp(scores - top)
        den_w = e.sum([-1], True)
      num_w = torch.matmul(e, window_v).reshape([B, H, 1, v.size(3)])
      den_w = den_w.reshape([B, H, 1, 1])
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.combine(num_w, den_w, num_l, den_l, p)
    return [y.to(q_in.dtype), window_k, window_v, window_k_linear, window_g, kv_state, k_sum, seen + 1]
