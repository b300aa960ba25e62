  # The softmax window, in blocks of queries: no T x T matrix. Letters as in layer.py.

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
    e, den = self.exponentials(scores, [1, K, 1, G, 1], p)
    # a slice of all columns would cost a copy in the backward pass
    near = e
    if E > 0:
      near = e[:, :, :, :, :, :width]
    near = near.reshape([B, K, N, G * C, width])
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
    return (self.first_rows(num, T), self.first_rows(den, T))
