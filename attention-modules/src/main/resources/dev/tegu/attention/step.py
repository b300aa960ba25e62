  # Decoding: one token from the state. Letters as in layer.py.

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
    qw, kw, ql, kl = self.branch_inputs(q, k, p)
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
    # blocks anchored at the end of a text are a plain window after it
    span = torch.full_like(pos, W)
    if self.anchor == "start":
      span = self.spans(pos, pos)
    distance = R - 1 - torch.arange(R, device=q.device).unsqueeze(0)
    fq = ql
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
        weights = torch.matmul(fq, fb.transpose(2, 3)) * band.unsqueeze(1).unsqueeze(2)
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
      e, den_w = self.exponentials(scores, [1, K, G], p)
      num_w = torch.matmul(e, values).reshape([B, H, 1, v.size(3)])
      den_w = den_w.reshape([B, H, 1, 1])
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.combine(num_w, den_w, num_l, den_l, p)
    return [y.to(q_in.dtype), window_k, window_v, window_k_linear, window_g, first_k, first_v, kv_state, k_sum, seen + 1, s["document"]]
