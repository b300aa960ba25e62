  # The softmax window, in blocks of queries: no T x T matrix. Letters as in layer.py.

  def windows(self, x: Tensor, T: int, C: int, more: Optional[Tensor]) -> Tensor:
    # [B, Z, R + T, V] -> [B, Z, N, (m + 1) C, V]: for each block of C queries the m + 1 blocks that
    # hold what they can see, m = ceil(R / C); the last one stands at the queries themselves. Rows
    # [B, Z, E, V] that every block has stand behind them
    R = self.reach
    N = (T + C - 1) // C
    m = (R + C - 1) // C
    y = torch.constant_pad_nd(x, [0, 0, m * C - R, N * C - T], 0)
    y = y.reshape([x.size(0), x.size(1), N + m, C, x.size(3)])
    blocks = annotate(List[Tensor], [])
    for i in range(m + 1):
      blocks.append(y[:, :, i:i + N])
    if more is not None:
      blocks.append(more.unsqueeze(2).expand([x.size(0), x.size(1), N, more.size(2), x.size(3)]))
    return torch.cat(blocks, 3)

  def exponentials(self, scores: Tensor, heads: List[int], p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    # exp(scores - top) [.., width], -inf where nothing is seen, and its sum [.., 1], with the sinks
    # where there are any; heads: the shape of the scores without their width, 1 where sinks repeat
    top = scores.amax([-1], True)
    if "sinks" in p:
      sinks = p["sinks"].reshape(heads + [p["sinks"].size(1)])
      top = torch.maximum(top, sinks.amax([-1], True))
      e = torch.exp(scores - top)
      den = e.sum([-1], True) + torch.exp(sinks - top).sum([-1], True)
    else:
      # a row of padding has no largest score
      top = top.masked_fill(top == -inf, 0.0)
      e = torch.exp(scores - top)
      den = e.sum([-1], True)
    return (e, den)

  def window_branch(self, q: Tensor, k: Tensor, v: Tensor, pos: Tensor, span: Tensor, first: List[Tensor], p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    # q [B, H, T, D]; k, v [B, K, R + T, D], the tokens kept from before in front, all of one type;
    # first: keys and values of the first tokens, [B, K, E, D], or [B, K, T E, D] where each query
    # has its own. Results: the softmax average of the values [B, H, T, D], and the sum of
    # exponentials [B, H, T, 1], the largest being 1, where the branches share a denominator (else 1).
    # Blocks of C queries against the m + 1 blocks of keys that hold their windows: O(T (R + C)).
    B = q.size(0)
    H = q.size(1)
    T = q.size(2)
    D = q.size(3)
    K = k.size(1)
    G = H // K
    R = self.reach
    E = self.keep_first
    C = min(self.window_block, T)
    N = (T + C - 1) // C
    m = (R + C - 1) // C
    near = (m + 1) * C
    qb = self.pad_rows(q, N * C).reshape([B, K, G, N, C, D]).permute([0, 1, 3, 2, 4, 5])
    row = torch.arange(C, device=q.device).unsqueeze(1)
    column = torch.arange(near, device=q.device).unsqueeze(0)
    distance = row + m * C - column
    at = torch.constant_pad_nd(pos, [0, N * C - T], -1).reshape([B, N, C, 1])
    reach = torch.constant_pad_nd(span, [0, N * C - T], 0).reshape([B, N, C, 1])
    seen = torch.logical_and(distance >= 0, distance < torch.minimum(reach, at + 1))
    # rows of padding, which nobody reads, see themselves: a softmax over nothing would be NaN
    seen = torch.logical_or(seen, distance == 0)

    # Columns behind the near ones: the first tokens, the sinks, and what makes a row of half
    # precision a multiple of 16 bytes, without which products are slow. All scores are products of
    # q and keys on top of these: masks, and zero keys' own scores.
    zero = torch.zeros([1, 1, 1, 1, 1, 1], dtype=q.dtype, device=q.device)
    sizes = [B, K, N, G, C]
    onto = [zero.masked_fill(torch.logical_not(seen).unsqueeze(1).unsqueeze(3), -inf).expand(sizes + [near])]
    own = E > 0 and first[0].size(2) != E
    sinks = 0
    if E > 0:
      # where they are not in the window anyway
      slot = torch.arange(E, device=q.device)
      hidden = torch.logical_not(slot <= at - reach).unsqueeze(1).unsqueeze(3)
      if own:
        keys = self.pad_rows(first[0], N * C * E).reshape([B, K, N, 1, C, E, D])
        score = (qb.unsqueeze(5) * keys).sum([-1]) * (float(D) ** -0.5)
        onto.append(score.masked_fill(hidden, -inf))
      else:
        onto.append(zero.masked_fill(hidden, -inf).expand(sizes + [E]))
    if "sinks" in p:
      sinks = p["sinks"].size(1)
      onto.append(p["sinks"].to(q.dtype).reshape([1, K, 1, G, 1, sinks]).expand(sizes + [sinks]))
    tail = E + sinks
    if self.halves(q):
      fill = (8 - (near + tail) % 8) % 8
      onto.append(torch.full([1, 1, 1, 1, 1, 1], -inf, dtype=q.dtype, device=q.device).expand(sizes + [fill]))
      tail = tail + fill
    more_k = annotate(Optional[Tensor], None)
    more_v = annotate(Optional[Tensor], None)
    if tail > 0:
      if E > 0 and not own:
        more_k = self.pad_rows(first[0] * (float(D) ** -0.5), tail)
        more_v = self.pad_rows(first[1], tail)
      else:
        more_k = torch.zeros([1, 1, tail, 1], dtype=q.dtype, device=q.device).expand([B, K, tail, D])
        more_v = more_k.expand([B, K, tail, v.size(3)])
    kw = self.windows(k * (float(D) ** -0.5), T, C, more_k).reshape([B * K * N, near + tail, D])
    vw = self.windows(v, T, C, more_v).reshape([B * K * N, near + tail, v.size(3)])

    # `reshape` would be a view here, and the gradient of what is done in place to a view is copied
    # three times
    scores = torch._unsafe_view(torch.cat(onto, 5), [B * K * N, G * C, near + tail])
    scores = scores.baddbmm_(qb.reshape([B * K * N, G * C, D]), kw.transpose(1, 2))
    weights = torch.softmax(scores, -1)
    mean = torch.bmm(weights, vw).reshape([B, K, N, G, C, v.size(3)])
    if own:
      far = torch.narrow(weights, 2, near, E).reshape([B, K, N, G, C, E, 1])
      mean = mean + (far * self.pad_rows(first[1], N * C * E).reshape([B, K, N, 1, C, E, v.size(3)])).sum([5])
    mean = mean.permute([0, 1, 3, 2, 4, 5]).reshape([B, H, N * C, v.size(3)])
    den = torch.ones([1, 1, 1, 1], dtype=self.wide(zero).dtype, device=q.device)
    if self.combine_kind == "shared_denominator":
      # the largest exponential is 1, its share one over their sum
      den = 1.0 / self.wide(weights.amax([-1], True))
      den = den.reshape([B, K, N, G, C, 1]).permute([0, 1, 3, 2, 4, 5]).reshape([B, H, N * C, 1])
      den = self.first_rows(den, T)
    return (self.first_rows(mean, T), den)
