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
    kw = self.windows(fk, T, C, None)
    vw = self.windows(v, T, C, None)
    qb = self.pad_rows(fq, N * C).reshape([B, H, N, C, F])
    if g is not None:
      g4 = g
      if g.dim() == 3:
        g4 = g.unsqueeze(3)
      total = self.windows(g4, T, C, None).cumsum(3)
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
    # fq, fk [B, H, T, F], logarithms where gates are absorbed; v [B, H, T, V]: the values, then ones,
    # so that the normaliser is one more value, then zeros; these three of one type, that of the
    # products; g [B, S, T] or [B, S, T, F] or None; kv [B, H, F, V], the state before. With documents
    # begin [B, T], the column where the text of each query begins, and begin0 [B] for the text that
    # the state holds. Time and memory O(T).
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
    if k4.requires_grad and k4.dtype == 15:
      # The gradients of both products with keys come out transposed. A product with ones on the
      # diagonal, which is exact, turns them around faster than the copy that must come otherwise.
      one = torch.eye(F, dtype=k4.dtype, device=k4.device).expand([B * H * N, F, F])
      k4 = torch.bmm(k4.reshape([B * H * N, C, F]), one).reshape([B, H, N, C, F])
    reads = q4
    writes = k4
    # what a row counts when it reads the state, and when it is added to it: one number a token is
    # cheaper on the values' side, which is narrower than the features
    read = annotate(Optional[Tensor], None)
    write = annotate(Optional[Tensor], None)
    # the logarithm of what is left of a state after each chunk, [B, S, N, 1 or F]
    through = annotate(Optional[Tensor], None)
    if g is not None:
      S = g.size(1)
      g4 = g
      if g.dim() == 3:
        g4 = g.unsqueeze(3)
      # [B, S, N, C, 1 or F], counted from each chunk's start
      b = self.pad_rows(g4, N * C).reshape([B, S, N, C, g4.size(3)]).cumsum(3)
      last = b[:, :, :, C - 1:]
      through = last.squeeze(3)
      if self.absorb:
        middle = b[:, :, :, C // 2:C // 2 + 1]
        weights = torch.matmul(torch.exp(q4 + (b - middle)), torch.exp(k4 + (middle - b)).transpose(3, 4)).tril()
        reads = torch.exp(q4 + b)
        writes = torch.exp(k4 + (last - b))
      elif g.dim() == 4:
        weights = self.vector_weights(q4, k4, b)
        reads = q4 * torch.exp(b)
        writes = k4 * torch.exp(last - b)
      else:
        # every exponent is at most 0; the upper triangle, where it is not, is cut before exp. The cut
        # is hidden from the gradient, which is zero there anyway
        decay = b + (-b).transpose(3, 4)
        upper = torch.ones([C, C], dtype=11, device=fq.device).triu(1)
        decay.detach().masked_fill_(upper, -inf)
        decay = decay.exp_().to(v.dtype)
        weights = torch.matmul(q4, k4.transpose(3, 4)) * decay
        read = torch.exp(b).to(v.dtype)
        write = torch.exp(last - b).to(v.dtype)
    else:
      weights = torch.matmul(q4, k4.transpose(3, 4)).tril_()
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
      cut = (final != entered).reshape([B, 1, N, 1])
      if through is not None:
        through = through.masked_fill(cut, -inf)
      else:
        through = torch.zeros([B, 1, N, 1], dtype=kv.dtype, device=kv.device).masked_fill(cut, -inf)
    added_v = v4
    if write is not None:
      added_v = self.times_rows(v4, write)
    sums = torch.matmul(writes.transpose(3, 4), added_v)
    before, state = self.running_sums(kv, sums, through)
    Z = B * H * N
    out = torch.bmm(reads.reshape([Z, C, F]), before.reshape([Z, F, V]))
    if read is not None:
      out = self.times_rows(out, read.expand([B, H, N, C, 1]).reshape([Z, C, 1]))
    out = out.baddbmm_(weights.reshape([Z, C, C]), v4.reshape([Z, C, V]))
    return (self.first_rows(out.reshape([B, H, N * C, V]), T), state)

  def times_rows(self, x: Tensor, row: Tensor) -> Tensor:
    # [.., V] times [.., 1]. The gradient of row is a sum over V, which a card does faster in groups
    # of 8 columns. No view, so that more can be added in place.
    V = x.size(-1)
    grouped = (x.is_cuda or self.half_on_cpu) and V % 8 == 0
    if grouped:
      y = x.reshape(x.size()[:-1] + [V // 8, 8])
      y = y * row.expand(row.size()[:-1] + [8]).unsqueeze(-2)
      y = torch._unsafe_view(y, x.size())
    else:
      y = x * row
    return y

  def running_sums(self, kv: Tensor, x: Tensor, through: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    # the state kv [B, H, F, V] before x [B, H, N, F, V], and the logarithm [B, S, N, 1 or F] of what
    # is left of the state after each chunk -> the state before each chunk, and after the last one
    if through is not None and through.size(3) > 1:
      # taken apart at once: the gradient of one slice is as large as all of them, of N slices N^2
      kept = torch.unbind(torch.exp(through).unsqueeze(4), 2)
      added = torch.unbind(x, 2)
      entering = annotate(List[Tensor], [])
      for n in range(x.size(2)):
        entering.append(kv)
        kv = kv * kept[n] + added[n]
      before = torch.stack(entering, 2)
    elif x.size(2) <= 64:
      before, kv = self.scan(kv, x, through)
    else:
      # so that it is linear in the length of the text
      parts = torch.split(x, 64, 2)
      marks = annotate(List[Tensor], [])
      if through is not None:
        marks = torch.split(through, 64, 2)
      entering = annotate(List[Tensor], [])
      for i in range(len(parts)):
        mark = annotate(Optional[Tensor], None)
        if through is not None:
          mark = marks[i]
        here, kv = self.scan(kv, parts[i], mark)
        entering.append(here)
      before = torch.cat(entering, 2)
    return (before, kv)

  def scan(self, kv: Tensor, x: Tensor, through: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    # the same as one product with the N x N matrix of what is left of each chunk at each later one:
    # faster than N steps, and than a cumulative sum, whose gradient turns everything around twice
    B = x.size(0)
    H = x.size(1)
    N = x.size(2)
    size = x.size(3) * x.size(4)
    later = torch.ones([N, N], dtype=11, device=x.device).triu()
    left = torch.logical_not(later).to(kv.dtype).reshape([1, 1, N, N])
    since = kv.new_ones([1, 1, N, 1])
    final = x[:, :, N - 1].to(kv.dtype)
    if through is not None:
      # row n, column m: the sum over the chunks between, m < l < n, never as a difference of sums
      between = through.expand([through.size(0), through.size(1), N, N]).masked_fill(later, 0.0)
      between = torch.constant_pad_nd(between.cumsum(2), [0, 0, 1, 0], 0)[:, :, :N]
      left = torch.exp(between.masked_fill(later, -inf))
      since = torch.exp(torch.constant_pad_nd(through.cumsum(2), [0, 0, 1, 0], 0)[:, :, :N])
    left = left.to(x.dtype).expand([B, H, N, N]).reshape([B * H, N, N])
    since = since.to(x.dtype).expand([B, H, N, 1]).reshape([B * H, N, 1])
    # an outer product, of which only the factors that need it get a gradient
    before = torch.bmm(since, kv.to(x.dtype).reshape([B * H, 1, size]))
    before = before.baddbmm_(left, x.reshape([B * H, N, size])).reshape(x.size())
    last = before[:, :, N - 1].to(kv.dtype)
    if through is not None:
      last = last * torch.exp(through[:, :, N - 1:])
    return (before, last + final)
