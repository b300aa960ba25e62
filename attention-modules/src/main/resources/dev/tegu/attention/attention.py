  # The linearized attention layer, chunked and step form. See docs/attention.md for the formula.
  # Letters: B batch, H query heads, K key/value heads, G = H / K, T new tokens, D head width,
  # F feature width, W window, R how far back a window can reach (W, or 2 W for terraces), E first
  # tokens kept, C rows of a chunk, N chunks, S gate heads (1 or H).
  #
  # `p` holds what the spec asks for: cos, sin [T, D] or [B, T, D]; x [B, T, M] (layer input) with the
  # gate's weights, gate.log_decay [H] of constant gates, or the log-gate g [B, S, T] or [B, S, T, F]
  # itself; feature_map_{q,k}.{weight,bias}; window_factor [H]; sinks [H, m]; alpha [H]; output_norm.weight
  # [H, D]; and, of any spec, mask [B, T] (0: padding) and document [B, T] (int64; a change starts a new text).
  # `s` is the state before the new tokens, see `empty_state`.
  #
  # Everything about who sees whom follows from one number a token: `pos`, how many tokens of its
  # text came before it.

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
      cos = p["cos"]
      sin = p["sin"]
      if cos.dim() == 3:
        cos = cos.unsqueeze(1)
        sin = sin.unsqueeze(1)
      half = x.size(-1) // 2
      turned = torch.cat([-x[..., half:], x[..., :half]], -1)
      y = x * cos + turned * sin
    return y

  def head_repeat(self, x: Tensor) -> Tensor:
    # [B, K, ...] -> [B, H, ...], each key/value head serving G neighbouring query heads
    y = x
    if x.size(1) != self.num_heads:
      y = x.repeat_interleave(self.num_heads // x.size(1), 1)
    return y

  def project(self, x: Tensor, name: str, p: Dict[str, Tensor]) -> Tensor:
    # the learned projection: [B, H or K, T, D] -> [B, H, T, p]
    weight = p[name + ".weight"]
    heads = x.size(1)
    if weight.size(0) == 1:
      z = torch.matmul(x, weight[0])
      if self.feature_skip:
        z = z + x
      z = self.head_repeat(z)
    else:
      w = weight.reshape([heads, self.num_heads // heads, weight.size(1), weight.size(2)])
      z = torch.matmul(x.unsqueeze(2), w)
      if self.feature_skip:
        z = z + x.unsqueeze(2)
      z = z.reshape([x.size(0), self.num_heads, x.size(2), weight.size(2)])
    if name + ".bias" in p:
      z = z + p[name + ".bias"].unsqueeze(1)
    return z

  def taylor(self, z: Tensor) -> Tensor:
    # [.., p] -> [.., 1 + p + p (p + 1) / 2]: 1 + s + s^2 / 2 as a product, s = z.z' / sqrt(p)
    n = z.size(-1)
    z = z * (float(n) ** -0.25)
    pair = torch.triu_indices(n, n, device=z.device)
    first = pair[0]
    second = pair[1]
    same = (first == second).to(z.dtype)
    square = z.index_select(-1, first) * z.index_select(-1, second)
    square = square * (1.0 - same * (1.0 - 2.0 ** -0.5))
    return torch.cat([torch.ones_like(z[..., :1]), z, square], -1)

  def features(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # [B, H or K, T, D] -> [B, H, T, F]
    name = "feature_map_q"
    if side == "k" and not self.feature_tied:
      name = "feature_map_k"
    if self.feature_map == "identity":
      y = self.head_repeat(x)
    elif self.feature_map == "elu":
      y = self.head_repeat(torch.clamp(torch.elu(x) + 1.0, 1e-12))
    elif self.feature_map == "head_softmax":
      y = self.head_repeat(torch.softmax(x, -1))
    else:
      z = self.project(x, name, p)
      if self.feature_map == "hedgehog":
        # LoLCATs' floor: no feature is ever exactly zero
        y = torch.clamp(torch.cat([torch.softmax(z, -1), torch.softmax(-z, -1)], -1), 1e-12)
      elif self.feature_map == "hedgehog_joint":
        y = torch.softmax(torch.cat([2.0 * z, -2.0 * z], -1), -1)
      elif self.feature_map == "hedgehog_exp":
        y = torch.exp(torch.cat([z, -z], -1))
      elif self.feature_map == "t2r":
        y = torch.clamp(torch.relu(z), 1e-12)
      else:
        y = self.taylor(z)
    if side == "q" and self.linear_scale:
      y = y * (float(y.size(-1)) ** -0.5)
    return y

  def log_features(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # logarithms of `features`, for gates that are absorbed into them
    if self.feature_map == "head_softmax":
      y = self.head_repeat(torch.log_softmax(x, -1))
    else:
      name = "feature_map_q"
      if side == "k" and not self.feature_tied:
        name = "feature_map_k"
      z = self.project(x, name, p)
      if self.feature_map == "hedgehog":
        y = torch.cat([torch.log_softmax(z, -1), torch.log_softmax(-z, -1)], -1)
        y = torch.clamp(y, -27.631021115928547)
      elif self.feature_map == "hedgehog_joint":
        y = torch.log_softmax(torch.cat([2.0 * z, -2.0 * z], -1), -1)
      else:
        y = torch.cat([z, -z], -1)
    if side == "q" and self.linear_scale:
      y = y + torch.log(torch.full([1], float(y.size(-1)) ** -0.5, dtype=y.dtype, device=y.device))
    return y

  def log_gate(self, k: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # [B, S, T] or [B, S, T, F], every entry at most 0; k [B, K, T, D] before RoPE
    if "g" in p:
      g = self.wide(p["g"])
    elif self.gate == "key_pool":
      if self.gate_vector:
        u = k
      else:
        u = k.mean([-1])
      g = self.head_repeat(torch.log_sigmoid(u) * (1.0 / self.gate_divisor))
    elif self.gate == "constant":
      g = p["gate.log_decay"].reshape([1, self.num_heads, 1])
      g = g.expand([k.size(0), self.num_heads, k.size(2)])
    else:
      x = self.wide(p["x"])
      if self.gate == "low_rank_vector":
        up = p["gate.up.weight"]
        u = torch.matmul(x, p["gate.down.weight"].t())
        u = torch.matmul(u.unsqueeze(1), up.transpose(1, 2))
        if "gate.bias" in p:
          u = u + p["gate.bias"].unsqueeze(1)
        g = torch.log_sigmoid(u) * (1.0 / self.gate_divisor)
      else:
        u = torch.matmul(x, p["gate.weight"].t())
        if "gate.bias" in p:
          u = u + p["gate.bias"]
        if self.gate == "mamba2":
          g = -torch.softplus(u) * torch.exp(p["gate.log_rate"])
        else:
          g = torch.log_sigmoid(u)
        g = g.transpose(1, 2)
    return g

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
        num_w = num_w * factor
        den_w = den_w * factor
        if self.affine:
          num_l = num_l * (1.0 - factor)
          den_l = den_l * (1.0 - factor)
      y = self.ratio(num_w + num_l, den_w + den_l)
    else:
      if self.normalize:
        y = self.ratio(num_l, den_l)
      else:
        y = num_l
        if "output_norm.weight" in p:
          size = torch.rsqrt((y * y).mean([-1], True) + 1e-6)
          y = y * size * p["output_norm.weight"].unsqueeze(1)
      if self.combine_kind == "average":
        y = (y + self.ratio(num_w, den_w)) * 0.5
      elif self.window_size > 0:
        y = y + self.ratio(num_w, den_w) * p["alpha"].reshape([1, self.num_heads, 1, 1])
    return y

  def ratio(self, num: Tensor, den: Tensor) -> Tensor:
    # 0 where nothing was summed, with a gradient of 0 rather than NaN
    none = den == 0.0
    return num / den.masked_fill(none, 1.0)

  def empty_state(self, q: Tensor, k: Tensor, v: Tensor) -> List[Tensor]:
    # window_k [B, K, R, D], window_v [B, K, R, D], window_k_linear [B, K, R, D] or empty,
    # window_g [B, S, R] or [B, S, R, F] or empty, first_k and first_v [B, K, E, D] or empty,
    # kv_state [B, H, F, D], k_sum [B, H, F], seen [B], document [B]
    like = self.wide(q[:, :0, :0, :0])
    B = q.size(0)
    K = k.size(1)
    R = self.reach
    E = self.keep_first
    D = v.size(3)
    none = torch.zeros([0], dtype=like.dtype, device=q.device)
    window_k = torch.zeros([B, K, R, k.size(3)], dtype=like.dtype, device=q.device)
    window_v = torch.zeros([B, K, R, D], dtype=like.dtype, device=q.device)
    window_k_linear = none
    window_g = none.clone()
    first_k = none.clone()
    first_v = none.clone()
    F = 0
    if self.linear:
      F = self.feature_width
    if self.keeps_linear_keys:
      window_k_linear = torch.zeros([B, K, R, k.size(3)], dtype=like.dtype, device=q.device)
    if self.keeps_gates:
      if self.gate_vector:
        window_g = torch.zeros([B, self.gate_heads, R, F], dtype=like.dtype, device=q.device)
      else:
        window_g = torch.zeros([B, self.gate_heads, R], dtype=like.dtype, device=q.device)
    if E > 0:
      first_k = torch.zeros([B, K, E, k.size(3)], dtype=like.dtype, device=q.device)
      first_v = torch.zeros([B, K, E, D], dtype=like.dtype, device=q.device)
    kv_state = torch.zeros([B, self.num_heads, F, D], dtype=like.dtype, device=q.device)
    k_sum = torch.zeros([B, self.num_heads, F], dtype=like.dtype, device=q.device)
    seen = torch.zeros([B], dtype=4, device=q.device)
    return [window_k, window_v, window_k_linear, window_g, first_k, first_v, kv_state, k_sum, seen, seen.clone()]

  def pad_rows(self, x: Tensor, rows: int) -> Tensor:
    # zeros after the last row of the second last dimension
    y = x
    if rows > x.size(-2):
      y = torch.constant_pad_nd(x, [0, 0, 0, rows - x.size(-2)], 0)
    return y

  def pick(self, x: Tensor, index: Tensor) -> Tensor:
    # rows of [B, Z, T, ...] by index [B, L], each batch row its own
    i = index.unsqueeze(1)
    if x.dim() == 4:
      i = i.unsqueeze(3).expand([x.size(0), x.size(1), index.size(1), x.size(3)])
    else:
      i = i.expand([x.size(0), x.size(1), index.size(1)])
    return torch.gather(x, 2, i)

  def join(self, before: Tensor, new: Tensor, lead: Optional[Tensor]) -> Tensor:
    # what the state kept [B, Z, R, ..] in front of new tokens [B, Z, T, ..] whose first lead [B, 1]
    # are padding: the kept ones are moved up to the first real one
    y = torch.cat([before, new], 2)
    if lead is not None:
      R = before.size(2)
      column = torch.arange(y.size(2), device=y.device).unsqueeze(0)
      index = torch.where(column >= R + lead, column, torch.clamp(column - lead, 0))
      y = self.pick(y, index)
    return y

  def starts(self, seen: Tensor, lead: Tensor, document: Tensor, before: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    # for each token [B, T] the column, counted from the first new one, where its text begins
    # (negative: before), the column after its text's end, and the tokens' documents
    T = document.size(1)
    column = torch.arange(T, device=seen.device).unsqueeze(0)
    document = torch.where(column < lead, before.unsqueeze(1), document)
    previous = torch.cat([before.unsqueeze(1), document[:, :T - 1]], 1)
    change = document != previous
    latest, _i = torch.cummax(torch.where(change, column, -1), 1)
    start = torch.where(latest >= 0, latest, lead - seen.unsqueeze(1))
    later = torch.constant_pad_nd(torch.where(change, column, T)[:, 1:], [0, 1], T)
    end, _j = torch.cummin(later.flip([1]), 1)
    return (start, end.flip([1]), document)

  def spans(self, pos: Tensor, length: Tensor) -> Tensor:
    # how many tokens, itself included, a token of each position [B, T] has in its window; fewer
    # when its text has not that many yet. length [B, T]: of its text
    W = self.window_size
    if self.terrace:
      at = pos
      if self.anchor != "start":
        at = pos - length
      span = torch.remainder(at, W) + (W + 1)
    else:
      span = torch.full_like(pos, W)
    return span

  def windows(self, x: Tensor, T: int, C: int) -> Tensor:
    # [B, Z, R + T, V] -> [B, Z, N, (m + 1) C, V]: for each block of C queries the m + 1 blocks that
    # hold what they can see, m = ceil(R / C); the last one stands at the queries themselves
    R = self.reach
    N = (T + C - 1) // C
    m = (R + C - 1) // C
    y = torch.constant_pad_nd(x, [0, 0, m * C - R, N * C - T], 0)
    y = y.reshape([x.size(0), x.size(1), N + m, C, x.size(3)])
    blocks = annotate(List[Tensor], [])
    for i in range(m + 1):
      blocks.append(y[:, :, i:i + N])
    return torch.cat(blocks, 3)

  def window_branch(self, q: Tensor, k: Tensor, v: Tensor, pos: Tensor, span: Tensor, first: List[Tensor], p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    # q [B, H, T, D]; k, v [B, K, R + T, D], the tokens kept from before in front; first: keys and
    # values of the first tokens, [B, K, E, D], or [B, K, T E, D] where each query has its own.
    # Blocks of C queries against the m + 1 blocks of keys that hold their windows: O(T (R + C)).
    B = q.size(0)
    H = q.size(1)
    T = q.size(2)
    D = q.size(3)
    K = k.size(1)
    G = H // K
    R = self.reach
    C = min(self.window_block, T)
    N = (T + C - 1) // C
    m = (R + C - 1) // C
    width = (m + 1) * C
    kw = self.windows(k, T, C)
    vw = self.windows(v, T, C)
    q = self.pad_rows(q, N * C) * (float(D) ** -0.5)
    qb = q.reshape([B, K, G, N, C, D]).permute([0, 1, 3, 2, 4, 5])
    scores = torch.matmul(qb.reshape([B, K, N, G * C, D]), kw.transpose(3, 4))
    scores = scores.reshape([B, K, N, G, C, width])
    row = torch.arange(C, device=q.device).unsqueeze(1)
    column = torch.arange(width, device=q.device).unsqueeze(0)
    distance = row + m * C - column
    # rows of padding see nothing
    at = torch.constant_pad_nd(pos, [0, N * C - T], -1).reshape([B, N, C, 1])
    reach = torch.constant_pad_nd(span, [0, N * C - T], 0).reshape([B, N, C, 1])
    seen = torch.logical_and(distance >= 0, distance < torch.minimum(reach, at + 1))
    E = self.keep_first
    if E > 0:
      # the first tokens, where they are not in the window anyway
      slot = torch.arange(E, device=q.device)
      seen = torch.cat([seen, slot <= at - reach], 3)
      if first[0].size(2) == E:
        score = torch.matmul(q.reshape([B, K, G * N * C, D]), first[0].transpose(2, 3))
      else:
        own = self.pad_rows(first[0], N * C * E).reshape([B, K, 1, N * C, E, D])
        score = (q.reshape([B, K, G, N * C, 1, D]) * own).sum([-1])
      score = score.reshape([B, K, G, N, C, E]).permute([0, 1, 3, 2, 4, 5])
      scores = torch.cat([scores, score], 5)
    scores = scores.masked_fill(torch.logical_not(seen).unsqueeze(1).unsqueeze(3), -inf)
    top = scores.amax([-1], True)
    if "sinks" in p:
      sinks = p["sinks"].reshape([1, K, 1, G, 1, p["sinks"].size(1)])
      top = torch.maximum(top, sinks.amax([-1], True))
      e = torch.exp(scores - top)
      den = e.sum([-1], True) + torch.exp(sinks - top).sum([-1], True)
    else:
      # a row of padding has no largest score
      top = top.masked_fill(top == -inf, 0.0)
      e = torch.exp(scores - top)
      den = e.sum([-1], True)
    near = e[:, :, :, :, :, :width].reshape([B, K, N, G * C, width])
    num = torch.matmul(near, vw).reshape([B, K, N, G, C, v.size(3)])
    num = num.permute([0, 1, 3, 2, 4, 5]).reshape([B, K, G, N * C, v.size(3)])
    den = den.permute([0, 1, 3, 2, 4, 5]).reshape([B, H, N * C, 1])
    if E > 0:
      far = e[:, :, :, :, :, width:].permute([0, 1, 3, 2, 4, 5])
      if first[1].size(2) == E:
        more = torch.matmul(far.reshape([B, K, G * N * C, E]), first[1])
        num = num + more.reshape([B, K, G, N * C, v.size(3)])
      else:
        own = self.pad_rows(first[1], N * C * E).reshape([B, K, 1, N * C, E, v.size(3)])
        num = num + (far.reshape([B, K, G, N * C, E, 1]) * own).sum([4])
    num = num.reshape([B, H, N * C, v.size(3)])
    return (num[:, :, :T], den[:, :, :T])

  def band_branch(self, fq: Tensor, fk: Tensor, v: Tensor, g: Optional[Tensor], pos: Tensor, since: Tensor) -> Tensor:
    # the linear branch over tokens that are kept in the state but have left the query's window:
    # those at distances from since [B, T] to R - 1. fq [B, H, T, F]; fk [B, H, R + T, F]; v [B, H,
    # R + T, V]; g [B, S, R + T] or [B, S, R + T, F]. Blocks as in `window_branch`.
    B = fq.size(0)
    H = fq.size(1)
    T = fq.size(2)
    F = fq.size(3)
    V = v.size(3)
    R = self.reach
    # a block is no longer than the window, so that each of its queries comes after each key of the
    # band, and the gates between them split at the block's first row with exponents at most 0
    C = min(self.window_block, T)
    N = (T + C - 1) // C
    m = (R + C - 1) // C
    width = (m + 1) * C
    kw = self.windows(fk, T, C)
    vw = self.windows(v, T, C)
    qb = self.pad_rows(fq, N * C).reshape([B, H, N, C, F])
    if g is not None:
      g4 = g
      if g.dim() == 3:
        g4 = g.unsqueeze(3)
      total = self.windows(g4, T, C).cumsum(3)
      middle = total[:, :, :, m * C:m * C + 1]
      qb = qb * torch.exp(total[:, :, :, m * C:] - middle)
      kw = kw * torch.exp(torch.clamp(middle - total, max=0.0))
    row = torch.arange(C, device=fq.device).unsqueeze(1)
    column = torch.arange(width, device=fq.device).unsqueeze(0)
    distance = row + m * C - column
    at = torch.constant_pad_nd(pos, [0, N * C - T], -1).reshape([B, N, C, 1])
    nearest = torch.constant_pad_nd(since, [0, N * C - T], R).reshape([B, N, C, 1])
    seen = torch.logical_and(distance >= nearest, distance < R)
    seen = torch.logical_and(seen, distance <= at - self.keep_first)
    weights = torch.matmul(qb, kw.transpose(3, 4))
    weights = weights.masked_fill(torch.logical_not(seen).unsqueeze(1), 0.0)
    return torch.matmul(weights, vw).reshape([B, H, N * C, V])[:, :, :T]

  def vector_weights(self, q: Tensor, k: Tensor, b: Tensor) -> Tensor:
    # q, k [B, H, N, C, F] and summed log-gates b [B, S, N, C, F] -> sum_F q_i k_j exp(b_i - b_j) for
    # j <= i, [B, H, N, C, C]. Secondary chunks of 16 rows: pairs of different ones are products
    # split at the later one's first row, both exponents at most 0; equal ones element by element.
    C = q.size(3)
    size = min(16, C)
    rows = annotate(List[Tensor], [])
    low = 0
    while low < C:
      high = min(low + size, C)
      qi = q[:, :, :, low:high]
      bi = b[:, :, :, low:high]
      gap = bi.unsqueeze(4) - bi.unsqueeze(3)
      lower = torch.ones([high - low, high - low], dtype=11, device=q.device).tril().unsqueeze(2)
      decay = torch.exp(gap.masked_fill(torch.logical_not(lower), -inf))
      own = (qi.unsqueeze(4) * k[:, :, :, low:high].unsqueeze(3) * decay).sum([-1])
      if low > 0:
        split = b[:, :, :, low:low + 1]
        left = k[:, :, :, :low] * torch.exp(split - b[:, :, :, :low])
        earlier = torch.matmul(qi * torch.exp(bi - split), left.transpose(3, 4))
        own = torch.cat([earlier, own], 4)
      rows.append(torch.constant_pad_nd(own, [0, C - high], 0))
      low = high
    return torch.cat(rows, 3)

  def linear_branch(self, fq: Tensor, fk: Tensor, v: Tensor, g: Optional[Tensor], kv: Tensor, begin: Optional[Tensor], begin0: Tensor) -> Tuple[Tensor, Tensor]:
    # fq, fk [B, H, T, F], logarithms where gates are absorbed; v [B, H, T, D + 1], its last column
    # ones, so that the normaliser is one more value; g [B, S, T] or [B, S, T, F] or None; kv [B, H,
    # F, D + 1], the state before. With documents begin [B, T], the column where the text of each
    # query begins, and begin0 [B] for the text that the state holds. Time and memory O(T).
    B = fq.size(0)
    H = fq.size(1)
    T = fq.size(2)
    F = fq.size(3)
    V = v.size(3)
    C = min(self.chunk_size, T)
    N = (T + C - 1) // C
    q4 = self.pad_rows(fq, N * C).reshape([B, H, N, C, F])
    if self.absorb:
      k4 = torch.constant_pad_nd(fk, [0, 0, 0, N * C - T], -inf).reshape([B, H, N, C, F])
    else:
      k4 = self.pad_rows(fk, N * C).reshape([B, H, N, C, F])
    v4 = self.pad_rows(v, N * C).reshape([B, H, N, C, V])
    reads = q4
    writes = k4
    through = annotate(Optional[Tensor], None)
    if g is not None:
      S = g.size(1)
      g4 = g
      if g.dim() == 3:
        g4 = g.unsqueeze(3)
      # [B, S, N, C, 1 or F], counted from each chunk's start
      b = self.pad_rows(g4, N * C).reshape([B, S, N, C, g4.size(3)]).cumsum(3)
      last = b[:, :, :, C - 1:]
      through = torch.exp(last).transpose(3, 4)
      if self.absorb:
        middle = b[:, :, :, C // 2:C // 2 + 1]
        weights = torch.matmul(torch.exp(q4 + (b - middle)), torch.exp(k4 + (middle - b)).transpose(3, 4)).tril()
        reads = torch.exp(q4 + b)
        writes = torch.exp(k4 + (last - b))
      else:
        if g.dim() == 3:
          # every exponent is at most 0; the upper triangle, where it is not, is cut before exp
          gap = b - b.transpose(3, 4)
          lower = torch.ones([C, C], dtype=11, device=fq.device).tril()
          decay = torch.exp(gap.masked_fill(torch.logical_not(lower), -inf))
          weights = torch.matmul(q4, k4.transpose(3, 4)) * decay
        else:
          weights = self.vector_weights(q4, k4, b)
        reads = q4 * torch.exp(b)
        writes = k4 * torch.exp(last - b)
    else:
      weights = torch.matmul(q4, k4.transpose(3, 4)).tril()
    if begin is not None:
      start = torch.cat([begin, begin[:, T - 1:].expand([B, N * C - T])], 1).reshape([B, N, C])
      final = start[:, :, C - 1]
      entered = torch.cat([begin0.unsqueeze(1), final[:, :N - 1]], 1)
      column = torch.arange(N * C, device=fq.device).reshape([1, N, C])
      other = column.unsqueeze(2) < start.unsqueeze(3)
      weights = weights.masked_fill(other.unsqueeze(1), 0.0)
      reads = reads * (start == entered.unsqueeze(2)).to(v.dtype).unsqueeze(1).unsqueeze(4)
      writes = writes * (column >= final.unsqueeze(2)).to(v.dtype).unsqueeze(1).unsqueeze(4)
      same = (final == entered).to(v.dtype).reshape([B, 1, N, 1, 1])
      if through is not None:
        through = through * same
      else:
        through = same
    out = torch.matmul(weights, v4)
    sums = torch.matmul(writes.transpose(3, 4), v4)
    if through is not None:
      # taken apart at once: the gradient of one slice is as large as all of them, of N slices N^2
      kept = torch.unbind(through, 2)
      added = torch.unbind(sums, 2)
      entering = annotate(List[Tensor], [])
      state = kv
      for n in range(N):
        entering.append(state)
        state = state * kept[n] + added[n]
      out = out + torch.matmul(reads, torch.stack(entering, 2))
    else:
      states = torch.cat([kv.unsqueeze(2), sums], 2).cumsum(2)
      state = states[:, :, N]
      out = out + torch.matmul(reads, states[:, :, :N])
    return (out.reshape([B, H, N * C, V])[:, :, :T], state)

  def lived(self, g: Tensor, T: int) -> Tensor:
    # gates that a token has lived through when it leaves the state's R tokens: from [B, S, R + T, ..]
    # for each of the first T columns c the sum over c + 1 .. c + R. Summed within blocks of R columns
    # rather than as a difference of running sums, whose rounding grows with the text.
    R = self.reach
    L = g.size(2)
    g4 = g
    if g.dim() == 3:
      g4 = g.unsqueeze(3)
    M = (L + R - 1) // R
    x = self.pad_rows(g4, M * R).reshape([g.size(0), g.size(1), M, R, g4.size(3)])
    after = x.flip([3]).cumsum(3).flip([3]) - x
    sums = after[:, :, :M - 1] + x.cumsum(3)[:, :, 1:]
    sums = sums.reshape([g.size(0), g.size(1), (M - 1) * R, g4.size(3)])
    return sums[:, :, :T]

  def chunked(self, q: Tensor, k: Tensor, v: Tensor, p: Dict[str, Tensor], s: Dict[str, Tensor]) -> List[Tensor]:
    # q [B, H, T, D]; k, v [B, K, T, D] -> output [B, H, T, D], then the state after the tokens.
    # Long texts go in segments: arrays as long as the text cost more a token the longer they are,
    # since they fit no cache and the allocator maps them anew each time.
    T = q.size(2)
    if T <= self.segment or self.whole_text:
      result = self.piece(q, k, v, p, s)
    else:
      # split at once: the gradient of a slice is as large as the whole
      qs = torch.split(q, self.segment, 2)
      ks = torch.split(k, self.segment, 2)
      vs = torch.split(v, self.segment, 2)
      parts = annotate(Dict[str, List[Tensor]], {})
      for name in ["x", "mask", "document"]:
        if name in p:
          parts[name] = torch.split(p[name], self.segment, 1)
      for name in ["cos", "sin"]:
        if name in p:
          parts[name] = torch.split(p[name], self.segment, p[name].dim() - 2)
      if "g" in p:
        parts["g"] = torch.split(p["g"], self.segment, 2)
      names = ["window_k", "window_v", "window_k_linear", "window_g", "first_k", "first_v", "kv_state", "k_sum", "seen", "document"]
      state = annotate(Dict[str, Tensor], {})
      for name in names:
        state[name] = s[name]
      outputs = annotate(List[Tensor], [])
      result = annotate(List[Tensor], [])
      for i in range(len(qs)):
        inputs = annotate(Dict[str, Tensor], {})
        for name in p.keys():
          inputs[name] = p[name]
        for name in parts.keys():
          inputs[name] = parts[name][i]
        result = self.piece(qs[i], ks[i], vs[i], inputs, state)
        outputs.append(result[0])
        for j in range(len(names)):
          state[names[j]] = result[j + 1]
      result[0] = torch.cat(outputs, 2)
    return result

  def piece(self, q_in: Tensor, k_in: Tensor, v_in: Tensor, p: Dict[str, Tensor], s: Dict[str, Tensor]) -> List[Tensor]:
    q = self.wide(q_in)
    k = self.wide(k_in)
    v = self.wide(v_in)
    B = q.size(0)
    T = q.size(2)
    R = self.reach
    E = self.keep_first
    seen = s["seen"]
    g = annotate(Optional[Tensor], None)
    if self.gated:
      g = self.log_gate(k, p)
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

    # padding goes to the front of each row, in whatever place it stood
    column = torch.arange(T, device=q.device).unsqueeze(0)
    lead = annotate(Optional[Tensor], None)
    back = annotate(Optional[Tensor], None)
    document = annotate(Optional[Tensor], None)
    if "document" in p:
      document = p["document"]
    pads = torch.zeros([B, 1], dtype=4, device=q.device)
    if "mask" in p:
      real = p["mask"] != 0
      order = torch.argsort(real.to(4) * T + column, 1)
      back = torch.argsort(order, 1)
      pads = T - real.to(4).sum([1], True)
      lead = pads
      qw = self.pick(qw, order)
      kw = self.pick(kw, order)
      ql = self.pick(ql, order)
      kl = self.pick(kl, order)
      v = self.pick(v, order)
      if g is not None:
        live = real.to(v.dtype).unsqueeze(1)
        if g.dim() == 4:
          live = live.unsqueeze(3)
        g = self.pick(g * live, order)
      if document is not None:
        document = torch.gather(document, 1, order)

    start0 = pads - seen.unsqueeze(1)
    start = start0.expand([B, T])
    end = torch.full_like(start, T)
    last_document = s["document"]
    if document is not None:
      start, end, document = self.starts(seen, pads, document, s["document"])
      last_document = document[:, T - 1]
    pos = column - start
    span = self.spans(pos, end - start)

    num_w = torch.zeros([1], dtype=q.dtype, device=q.device)
    den_w = num_w
    num_l = num_w
    den_l = num_w
    all_k = self.join(s["window_k"], kw, lead)
    all_v = self.join(s["window_v"], v, lead)
    first_k = s["first_k"]
    first_v = s["first_v"]
    if self.window_size > 0:
      first = annotate(List[Tensor], [])
      if E > 0:
        # the first tokens of each text stand in the state or among the new ones
        slot = torch.arange(E, device=q.device)
        asked = start.unsqueeze(2)
        if document is None:
          asked = start0.unsqueeze(2)
        index = torch.where(asked + slot < pads.unsqueeze(2), slot, asked + slot + E)
        index = torch.clamp(index, 0, E + T - 1)
        ever_k = torch.cat([first_k, kw], 2)
        ever_v = torch.cat([first_v, v], 2)
        flat = index.reshape([B, index.size(1) * E])
        first.append(self.pick(ever_k, flat))
        first.append(self.pick(ever_v, flat))
        first_k = self.pick(ever_k, index[:, index.size(1) - 1])
        first_v = self.pick(ever_v, index[:, index.size(1) - 1])
      num_w, den_w = self.window_branch(qw, all_k, all_v, pos, span, first, p)

    window_k_linear = s["window_k_linear"]
    window_g = s["window_g"]
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    if self.linear:
      if self.absorb:
        fq = self.log_features(ql, "q", p)
      else:
        fq = self.features(ql, "q", p)
      shift = 0
      all_g = g
      old_k = kl
      old_v = v
      if self.outside_window:
        # the token that leaves the state's R tokens as token t enters stands at t of `all`
        shift = R
        old_v = all_v
        old_k = all_k
        if self.keeps_linear_keys:
          old_k = self.join(s["window_k_linear"], kl, lead)
          window_k_linear = old_k[:, :, T:]
        if g is not None:
          all_g = self.join(s["window_g"], g, lead)
          window_g = all_g[:, :, T:]
        if not self.banded:
          old_k = old_k[:, :, :T]
          old_v = old_v[:, :, :T]
      old_v = self.head_repeat(torch.constant_pad_nd(old_v, [0, 1], 1.0))
      key_column = torch.arange(old_k.size(2), device=q.device).unsqueeze(0)
      key_pos = key_column - shift - start0
      real_key = torch.logical_and(key_pos >= 0, key_column >= pads)
      if self.outside_window and E > 0:
        # kept tokens never leave
        if document is not None:
          ever = torch.cat([key_pos[:, :R], pos], 1)
          key_pos = ever[:, :old_k.size(2)]
        real_key = torch.logical_and(real_key, key_pos >= E)
      real_key = real_key.unsqueeze(1).unsqueeze(3)
      if self.absorb:
        fk = self.log_features(old_k, "k", p).masked_fill(torch.logical_not(real_key), -inf)
      else:
        fk = self.features(old_k, "k", p) * real_key.to(v.dtype)
      entering = fk[:, :, :T]
      if self.outside_window and all_g is not None:
        if self.absorb:
          entering = entering + self.lived(all_g, T)
        else:
          entering = entering * torch.exp(self.lived(all_g, T))
      begin = annotate(Optional[Tensor], None)
      if document is not None:
        begin = start + shift
      kv = torch.cat([kv_state, k_sum.unsqueeze(3)], 3)
      out, kv = self.linear_branch(fq, entering, old_v[:, :, :T], g, kv, begin, start0.squeeze(1) + shift)
      if self.banded:
        since = span
        if self.anchor == "reference":
          since = torch.where(end - start <= self.window_size, 0, span)
        if self.absorb:
          out = out + self.band_branch(torch.exp(fq), torch.exp(fk), old_v, all_g, pos, since)
        else:
          out = out + self.band_branch(fq, fk, old_v, all_g, pos, since)
      D = v.size(3)
      num_l = out[..., :D]
      den_l = out[..., D:]
      kv_state = kv[..., :D]
      k_sum = kv[..., D]
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.combine(num_w, den_w, num_l, den_l, p)
    if back is not None:
      y = self.pick(y, back)
      y = y.masked_fill((p["mask"] == 0).unsqueeze(1).unsqueeze(3), 0.0)
    return [y.to(q_in.dtype), all_k[:, :, T:], all_v[:, :, T:], window_k_linear, window_g, first_k, first_v, kv_state, k_sum, pos[:, T - 1] + 1, last_document.clone()]

  def step(self, q_in: Tensor, k_in: Tensor, v_in: Tensor, p: Dict[str, Tensor], s: Dict[str, Tensor]) -> List[Tensor]:
    # one token, none of them padding: q [B, H, 1, D]; k, v [B, K, 1, D]; O(1) in the context
    q = self.wide(q_in)
    k = self.wide(k_in)
    v = self.wide(v_in)
    B = q.size(0)
    H = q.size(1)
    D = q.size(3)
    K = k.size(1)
    G = H // K
    W = self.window_size
    R = self.reach
    E = self.keep_first
    seen = s["seen"]
    pos = seen.unsqueeze(1)
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
    first_k = s["first_k"]
    first_v = s["first_v"]
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    # how many tokens, itself included, are in the window: [B, 1]
    span = torch.full_like(pos, W)
    if self.terrace and self.anchor == "start":
      span = torch.remainder(pos, W) + (W + 1)
    distance = R - 1 - torch.arange(R, device=q.device).unsqueeze(0)
    kl = k
    ql = q
    if self.linear_rope:
      kl = kr
      ql = qr
    kw = k
    qw = q
    if self.window_rope:
      kw = kr
      qw = qr
    if self.linear:
      entering_k = kl
      entering_v = v
      weight = torch.ones([1], dtype=q.dtype, device=q.device)
      if self.outside_window:
        entering_k = window_k[:, :, :1]
        entering_v = window_v[:, :, :1]
        if self.keeps_linear_keys:
          entering_k = window_k_linear[:, :, :1]
          window_k_linear = torch.cat([window_k_linear[:, :, 1:], kl], 2)
        weight = (pos >= R + E).to(q.dtype).unsqueeze(2)
      fk = self.features(entering_k, "k", p).squeeze(2) * weight
      if self.gated:
        g = self.log_gate(k, p)
        if g.dim() == 3:
          g = g.unsqueeze(3)
        if self.keeps_gates:
          if self.gate_vector:
            window_g = torch.cat([window_g[:, :, 1:], g], 2)
            fk = fk * torch.exp(window_g.sum([2]))
          else:
            window_g = torch.cat([window_g[:, :, 1:], g.squeeze(3)], 2)
            fk = fk * torch.exp(window_g.sum([2], True))
        decay = torch.exp(g).squeeze(2)
        kv_state = kv_state * decay.unsqueeze(3)
        k_sum = k_sum * decay
      kv_state = kv_state + fk.unsqueeze(3) * self.head_repeat(entering_v)
      k_sum = k_sum + fk
      fq = self.features(ql, "q", p)
      num_l = torch.matmul(fq, kv_state)
      den_l = torch.matmul(fq, k_sum.unsqueeze(3))
    if W > 0:
      window_k = torch.cat([window_k[:, :, 1:], kw], 2)
      window_v = torch.cat([window_v[:, :, 1:], v], 2)
      if self.linear and self.banded:
        # kept, but not in the window: among the oldest R - W
        old_k = window_k[:, :, :R - W]
        if self.keeps_linear_keys:
          old_k = window_k_linear[:, :, :R - W]
        fb = self.features(old_k, "k", p)
        if self.gated:
          gap = window_g.flip([2]).cumsum(2).flip([2]) - window_g
          if self.gate_vector:
            fb = fb * torch.exp(gap[:, :, :R - W])
          else:
            fb = fb * torch.exp(gap[:, :, :R - W].unsqueeze(3))
        near = distance[:, :R - W]
        band = torch.logical_and(near >= span, near <= pos - E).to(q.dtype)
        weights = torch.matmul(self.features(ql, "q", p), fb.transpose(2, 3)) * band.unsqueeze(1).unsqueeze(2)
        num_l = num_l + torch.matmul(weights, self.head_repeat(window_v[:, :, :R - W]))
        den_l = den_l + weights.sum([-1], True)
      seen_k = torch.logical_and(distance < span, distance <= pos)
      keys = window_k
      values = window_v
      if E > 0:
        slot = torch.arange(E, device=q.device)
        here = (slot == pos).unsqueeze(1).unsqueeze(3)
        first_k = torch.where(here, kw, first_k)
        first_v = torch.where(here, v, first_v)
        seen_k = torch.cat([seen_k, slot <= pos - span], 1)
        keys = torch.cat([keys, first_k], 2)
        values = torch.cat([values, first_v], 2)
      scores = torch.matmul(qw.reshape([B, K, G, D]) * (float(D) ** -0.5), keys.transpose(2, 3))
      scores = scores.masked_fill(torch.logical_not(seen_k).unsqueeze(1).unsqueeze(2), -inf)
      top = scores.amax([-1], True)
      if "sinks" in p:
        sinks = p["sinks"].reshape([1, K, G, p["sinks"].size(1)])
        top = torch.maximum(top, sinks.amax([-1], True))
        e = torch.exp(scores - top)
        den_w = e.sum([-1], True) + torch.exp(sinks - top).sum([-1], True)
      else:
        e = torch.exp(scores - top)
        den_w = e.sum([-1], True)
      num_w = torch.matmul(e, values).reshape([B, H, 1, v.size(3)])
      den_w = den_w.reshape([B, H, 1, 1])
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.combine(num_w, den_w, num_l, den_l, p)
    return [y.to(q_in.dtype), window_k, window_v, window_k_linear, window_g, first_k, first_v, kv_state, k_sum, seen + 1, s["document"]]
