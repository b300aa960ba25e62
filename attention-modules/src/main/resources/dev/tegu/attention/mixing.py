  # Rows of the mixing matrix: the weights that a query's output gives to the values. Letters as in
  # layer.py; n queries.

  def mixing(self, q_in: Tensor, k_in: Tensor, p: Dict[str, Tensor], index: Tensor) -> Tensor:
    # q [B, H, T, D]; k [B, K, T, D], whole texts; index [n] -> [B, H, n, T]: what `chunked` makes of
    # values is this times them, but for the norm behind the heads, which no matrix is. Every pair of
    # query and key on its own, so O(n T) whatever the method.
    q = self.wide(q_in)
    k = self.wide(k_in)
    B = q.size(0)
    H = q.size(1)
    T = q.size(2)
    D = q.size(3)
    qw, kw, ql, kl = self.branch_inputs(q, k, p)
    real = torch.ones([B, T], dtype=4, device=q.device)
    if "mask" in p:
      real = (p["mask"] != 0).to(4)
    seen, near, length = self.sight(real, p, index)
    num_w = torch.zeros([B, H, index.size(0), T], dtype=q.dtype, device=q.device)
    den_w = num_w[..., :1]
    num_l = num_w
    den_l = den_w
    if self.window_size > 0 and "no_window" not in p:
      scores = self.pairs(qw.index_select(2, index) * (float(D) ** -0.5), kw)
      scores = scores.masked_fill(torch.logical_not(near).unsqueeze(1), -inf)
      num_w, den_w = self.exponentials(scores, [1, H, 1], p)
    if self.linear:
      far = seen
      if self.outside_window:
        far = torch.logical_and(seen, torch.logical_not(near))
        if self.anchor == "reference":
          twice = length.index_select(1, index).unsqueeze(2) <= self.window_size
          far = torch.logical_or(far, torch.logical_and(seen, twice))
      fq = self.features(ql.index_select(2, index), "q", p)
      fk = self.features(kl, "k", p)
      if self.gated:
        # summed in float64: differences of long sums, in float32 nothing but rounding at the end
        live = real.unsqueeze(1)
        g = self.log_gate(k, p)
        if g.dim() == 4:
          live = live.unsqueeze(3)
          total = (g * live).to(7).cumsum(2)
          num_l = self.faded_pairs(fq, fk, total, index)
        else:
          total = (g * live).to(7).cumsum(2)
          gap = total.index_select(2, index).unsqueeze(3) - total.unsqueeze(2)
          # after the query the exponent is positive; those keys are cut below
          num_l = self.pairs(fq, fk) * torch.exp(torch.clamp(gap, max=0.0).to(q.dtype))
      else:
        num_l = self.pairs(fq, fk)
      num_l = num_l.masked_fill(torch.logical_not(far).unsqueeze(1), 0.0)
      den_l = num_l.sum([-1], True)
    if self.combine_kind == "none":
      y = num_w
    else:
      linear = annotate(Dict[str, Tensor], {})
      for name in p.keys():
        if name != "output_norm.weight":
          linear[name] = p[name]
      y = self.combine(num_w, den_w, num_l, den_l, linear)
    return y

  def sight(self, real: Tensor, p: Dict[str, Tensor], index: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    # real [B, T], queries index [n] -> which tokens each query may see and which of them its window
    # shows, both [B, n, T]; each token's length of its text [B, T]
    pos, text, length = self.texts(real, p)
    # of the queries [B, n, 1], of the keys [B, 1, T]
    at = pos.index_select(1, index).unsqueeze(2)
    key_at = pos.unsqueeze(1)
    seen = torch.logical_and(text.index_select(1, index).unsqueeze(2) == text.unsqueeze(1), key_at <= at)
    both = real.index_select(1, index).unsqueeze(2) * real.unsqueeze(1)
    seen = torch.logical_and(seen, both != 0)
    near = torch.zeros_like(seen)
    if self.window_size > 0:
      span = self.spans(pos, length).index_select(1, index).unsqueeze(2)
      near = torch.logical_and(seen, torch.logical_or(at - key_at < span, key_at < self.keep_first))
    return (seen, near, length)

  def in_window(self, q: Tensor, p: Dict[str, Tensor], index: Tensor) -> Tensor:
    # q [B, H, T, D] for its sizes -> 1 where the window of a query of index [n] shows a token, else 0,
    # float32 [B, n, T]
    real = torch.ones([q.size(0), q.size(2)], dtype=4, device=q.device)
    if "mask" in p:
      real = (p["mask"] != 0).to(4)
    seen, near, length = self.sight(real, p, index)
    return near.to(6)

  def texts(self, real: Tensor, p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
    # real [B, T] -> how many tokens of its text came before each token, its text's number and its
    # text's length; padding counts to the text before it
    T = real.size(1)
    earlier = real.cumsum(1) - real
    pos = earlier
    text = torch.zeros_like(real)
    if "document" in p:
      column = torch.arange(T, device=real.device)
      latest, _i = torch.cummax(torch.where(real != 0, column, -1), 1)
      named = torch.gather(p["document"], 1, torch.clamp(latest, 0))
      # padding in front has no text before it: it goes to the first
      named = torch.where(latest >= 0, named, torch.gather(p["document"], 1, real.argmax(1, True)))
      change = named != torch.cat([named[:, :1], named[:, :T - 1]], 1)
      text = change.to(4).cumsum(1)
      start, _j = torch.cummax(torch.where(change, earlier, 0), 1)
      pos = earlier - start
    count = torch.zeros_like(real).scatter_add(1, text, real)
    return (pos, text, torch.gather(count, 1, text))

  def pairs(self, q: Tensor, k: Tensor) -> Tensor:
    # products of each query [B, H, n, F] with each key [B, K or H, T, F], [B, H, n, T]
    Z = k.size(1)
    rows = q.reshape([q.size(0), Z, q.size(1) // Z * q.size(2), q.size(3)])
    return torch.matmul(rows, k.transpose(2, 3)).reshape([q.size(0), q.size(1), q.size(2), k.size(2)])

  def faded_pairs(self, fq: Tensor, fk: Tensor, total: Tensor, index: Tensor) -> Tensor:
    # the same with a gate for each feature: sum_F q_i k_j exp(total_i - total_j) for j <= i; total
    # [B, S, T, F] float64. Blocks of C keys: those of earlier blocks than the query's are products
    # split at the block's last key, both exponents at most 0; its own element by element.
    # Memory O(n F (T / C + C) + n T).
    B = fq.size(0)
    H = fq.size(1)
    n = fq.size(2)
    F = fq.size(3)
    T = fk.size(2)
    S = total.size(1)
    C = min(32, T)
    N = (T + C - 1) // C
    k5 = self.pad_rows(fk, N * C).reshape([B, H, N, C, F])
    b5 = self.pad_rows(total, N * C).reshape([B, S, N, C, F])
    last = b5[:, :, :, C - 1:]
    here = total.index_select(2, index)
    block = torch.div(index, C, rounding_mode="floor")

    since = torch.clamp(here.unsqueeze(2) - last, max=0.0).to(fq.dtype)
    until = torch.clamp(last - b5, max=0.0).to(fq.dtype)
    earlier = torch.matmul(fq.unsqueeze(2) * torch.exp(since), (k5 * torch.exp(until)).transpose(3, 4))
    earlier = earlier.transpose(2, 3).reshape([B, H, n, N * C])

    # queries of one block take its keys as a product with ones and zeros: the gradient of an index
    # that comes twice is summed in no fixed order on a GPU
    which = (block.unsqueeze(1) == torch.arange(N, device=fq.device).unsqueeze(0)).to(7)
    own_k = torch.matmul(which.to(fq.dtype), k5.reshape([B, H, N, C * F])).reshape([B, H, n, C, F])
    own_b = torch.matmul(which, b5.reshape([B, S, N, C * F])).reshape([B, S, n, C, F])
    gap = torch.clamp(here.unsqueeze(3) - own_b, max=0.0).to(fq.dtype)
    own = (fq.unsqueeze(3) * own_k * torch.exp(gap)).sum([-1])
    column = torch.arange(N * C, device=fq.device).unsqueeze(0)
    inside = torch.div(column, C, rounding_mode="floor") == block.unsqueeze(1)
    y = torch.where(inside, own.repeat([1, 1, 1, N]), earlier)
    return torch.narrow(y, 3, 0, T)
