  # The linear branch, in chunks, and its band inside the tokens that are kept. Letters as in layer.py.

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
    return self.first_rows(torch.matmul(weights, vw).reshape([B, H, N * C, V]), T)

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
    # what a row counts when it reads the state, and when it is added to it: one number a token is
    # cheaper on the values' side, which is narrower than the features
    read = annotate(Optional[Tensor], None)
    write = annotate(Optional[Tensor], None)
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
          read = torch.exp(b)
          write = torch.exp(last - b)
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
      old = (start == entered.unsqueeze(2)).to(v.dtype).unsqueeze(1).unsqueeze(4)
      kept_on = (column >= final.unsqueeze(2)).to(v.dtype).unsqueeze(1).unsqueeze(4)
      if read is not None:
        old = old * read
      if write is not None:
        kept_on = kept_on * write
      read = old
      write = kept_on
      same = (final == entered).to(v.dtype).reshape([B, 1, N, 1, 1])
      if through is not None:
        through = through * same
      else:
        through = same
    out = torch.matmul(weights, v4)
    added_v = v4
    if write is not None:
      added_v = v4 * write
    sums = torch.matmul(writes.transpose(3, 4), added_v)
    if through is not None:
      # taken apart at once: the gradient of one slice is as large as all of them, of N slices N^2
      kept = torch.unbind(through, 2)
      added = torch.unbind(sums, 2)
      entering = annotate(List[Tensor], [])
      state = kv
      for n in range(N):
        entering.append(state)
        state = state * kept[n] + added[n]
      earlier = torch.matmul(reads, torch.stack(entering, 2))
    else:
      before, state = self.running_sums(kv, sums)
      earlier = torch.matmul(reads, before)
    if read is not None:
      earlier = earlier * read
    out = out + earlier
    return (self.first_rows(out.reshape([B, H, N * C, V]), T), state)

  def running_sums(self, before: Tensor, x: Tensor) -> Tuple[Tensor, Tensor]:
    # before [B, H, F, V] and x [B, H, N, F, V] -> what stands before each x, [B, H, N, F, V], and
    # after the last one. A product with ones under the diagonal: for as many chunks as there are in
    # a segment it is faster than a cumulative sum, whose gradient turns everything around twice.
    N = x.size(2)
    if N <= 64:
      Z = x.size(0) * x.size(1)
      flat = x.reshape([Z, N, x.size(3) * x.size(4)])
      earlier = torch.ones([N, N], dtype=x.dtype, device=x.device).tril(-1).expand([Z, N, N])
      start = before.reshape([Z, 1, flat.size(2)]).expand(flat.size())
      sums = torch.baddbmm(start, earlier, flat).reshape(x.size())
      result = (sums, before + x.sum([2]))
    else:
      sums = torch.cat([before.unsqueeze(2), x], 2).cumsum(2)
      result = (sums[:, :, :N], sums[:, :, N])
    return result
