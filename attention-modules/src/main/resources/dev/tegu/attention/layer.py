  # The linearized attention layer, chunked and step form. See docs/attention.md for the formula.
  # Letters: B batch, H query heads, K key/value heads, G = H / K, T new tokens, D head width,
  # F feature width, W window, R how far back a window can reach (W, or 2 W for terraces), E first
  # tokens kept, C rows of a chunk, N chunks, S gate heads (1 or H).
  #
  # `p` holds what the spec asks for: cos, sin [T, D] or [B, T, D]; x [B, T, M] (layer input) with the
  # gate's weights, gate.log_decay [H] of constant gates, or the log-gate g [B, S, T] or [B, S, T, F]
  # itself; feature_map_{q,k}.{weight,bias}; window_factor [H]; sinks [H, m]; alpha [H]; output_norm.weight
  # [H, D]; and, of any spec, mask [B, T] (0: padding) and document [B, T] (int64; a change starts a new text);
  # no_window and no_linear, of any value, take a branch out of a pass in chunks, whose states stay.
  # `s` is the state before the new tokens, see `empty_state`.
  #
  # Everything about who sees whom follows from one number a token: `pos`, how many tokens of its
  # text came before it.

  def combine(self, num_w: Tensor, den_w: Tensor, num_l: Tensor, den_l: Tensor, p: Dict[str, Tensor]) -> Tensor:
    return self.blend(num_w, den_w.new_ones([1]), den_w, num_l, den_l, p)

  def blend(self, num_w: Tensor, scale_w: Tensor, den_w: Tensor, num_l: Tensor, den_l: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # numerators [B, H, T, D], the window's to be multiplied by scale_w, denominators [B, H, T, 1]; a
    # branch that is off is all zero, and so is one that is ablated. Numerators may be of half
    # precision. All factors of a row are gathered before they meet its D numbers.
    if self.ablate_window:
      num_w = torch.zeros_like(num_w)
      den_w = torch.zeros_like(den_w)
    if self.ablate_linear or "no_linear" in p:
      num_l = torch.zeros_like(num_l)
      den_l = torch.zeros_like(den_l)
    if self.combine_kind == "shared_denominator":
      factor_w = den_w.new_ones([1])
      factor_l = factor_w
      if "window_factor" in p:
        factor_w = torch.sigmoid(p["window_factor"]).reshape([1, self.num_heads, 1, 1])
        if self.affine:
          factor_l = 1.0 - factor_w
      over = self.inverse(den_w * factor_w + den_l * factor_l)
      factor_w = scale_w * factor_w * over
      factor_l = factor_l * over
    else:
      factor_w = scale_w * self.inverse(den_w)
      factor_l = den_l.new_ones([1])
      if self.normalize:
        factor_l = self.inverse(den_l)
      elif "output_norm.weight" in p:
        num_l = self.wide(num_l)
        factor_l = torch.rsqrt((num_l * num_l).mean([-1], True) + 1e-6)
        factor_l = factor_l * p["output_norm.weight"].unsqueeze(1)
      if self.combine_kind == "average":
        factor_w = factor_w * 0.5
        factor_l = factor_l * 0.5
      elif self.window_size > 0:
        factor_w = factor_w * p["alpha"].reshape([1, self.num_heads, 1, 1])
    y = num_w * factor_w.to(num_w.dtype)
    if self.linear:
      part = num_l * factor_l.to(num_l.dtype)
      if self.window_size > 0:
        part = part + y
      y = part
    return y

  def inverse(self, x: Tensor) -> Tensor:
    # 1 / x. Its own gradient would square x, and sums of products of floors are as small as 1e-24;
    # this one divides twice. Where nothing was summed, any factor will do.
    over = 1.0 / x.detach().masked_fill(x == 0.0, 1.0)
    return over * (2.0 - x * over)

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
    # Products of half-precision inputs are taken in half precision where that is fast and `rounds`
    # allows it. Not those of a window that shares its denominator: there gradients go through each
    # row's largest score, and rounding turns which one that is.
    half = self.halves(q_in) and self.rounds
    q = q_in
    k = k_in
    v = v_in
    shares = self.combine_kind == "shared_denominator" and self.window_size > 0
    if shares or not half:
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
    qw, kw, ql, kl = self.branch_inputs(q, k, p)

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
        live = real.to(g.dtype).unsqueeze(1)
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

    num_w = torch.zeros([1], dtype=s["kv_state"].dtype, device=q.device)
    scale_w = torch.ones_like(num_w)
    den_w = num_w
    num_l = num_w
    den_l = num_w
    all_k = self.join(s["window_k"].to(q.dtype), kw, lead)
    all_v = self.join(s["window_v"].to(q.dtype), v, lead)
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
        ever_k = torch.cat([first_k.to(q.dtype), kw], 2)
        ever_v = torch.cat([first_v.to(q.dtype), v], 2)
        flat = index.reshape([B, index.size(1) * E])
        first.append(self.pick(ever_k, flat))
        first.append(self.pick(ever_v, flat))
        first_k = self.pick(ever_k, index[:, index.size(1) - 1])
        first_v = self.pick(ever_v, index[:, index.size(1) - 1])
      if "no_window" not in p:
        num_w, den_w = self.window_branch(qw, all_k, all_v, pos, span, first, p)
        scale_w = den_w
      elif not self.linear:
        # nothing is left, in the output's shape
        num_w = torch.zeros_like(qw)

    window_k_linear = s["window_k_linear"]
    window_g = s["window_g"]
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    if self.linear:
      ever_v = all_v
      if half:
        ql = self.brief(ql)
        kl = self.brief(kl)
        v = self.brief(v)
        ever_v = self.brief(all_v)
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
        old_v = ever_v
        old_k = all_k.to(kl.dtype)
        if self.keeps_linear_keys:
          old_k = self.join(s["window_k_linear"].to(kl.dtype), kl, lead)
          window_k_linear = old_k[:, :, T:]
        if g is not None:
          all_g = self.join(s["window_g"], g, lead)
          window_g = all_g[:, :, T:]
        if not self.banded:
          old_k = old_k[:, :, :T]
          old_v = old_v[:, :, :T]
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
      # what is no key adds nothing if its value and its one are zero
      one = real_key.to(v.dtype)
      if self.outside_window or lead is not None:
        old_v = old_v * one
      D = v.size(3)
      columns = [old_v, one.expand([B, old_v.size(1), old_v.size(2), 1])]
      fill = 0
      if half:
        # products are slow where a row is no multiple of 16 bytes
        fill = (8 - (D + 1) % 8) % 8
        columns.append(torch.zeros([1, 1, 1, 1], dtype=v.dtype, device=v.device).expand([B, old_v.size(1), old_v.size(2), fill]))
      old_v = self.head_repeat(torch.cat(columns, 3))
      if self.absorb:
        fk = self.log_features(old_k, "k", p)
      else:
        fk = self.features(old_k, "k", p)
      entering = self.first_rows(fk, T)
      if self.outside_window and all_g is not None:
        if self.absorb:
          entering = entering + self.lived(all_g, T)
        else:
          left = self.lived(all_g, T)
          entering = entering * torch.exp(left).to(entering.dtype)
      begin = annotate(Optional[Tensor], None)
      if document is not None:
        begin = start + shift
      kv = torch.constant_pad_nd(torch.cat([kv_state, k_sum.unsqueeze(3)], 3), [0, fill], 0)
      out, kv = self.linear_branch(fq, entering, self.first_rows(old_v, T), g, kv, begin, start0.squeeze(1) + shift)
      if self.banded:
        since = span
        if self.anchor == "reference":
          since = torch.where(end - start <= self.window_size, 0, span)
        if self.absorb:
          out = out + self.band_branch(torch.exp(fq), torch.exp(fk), old_v, all_g, pos, since)
        else:
          out = out + self.band_branch(fq, fk, old_v, all_g, pos, since)
      num_l, den_l, _n = torch.split_with_sizes(out, [D, 1, fill], 3)
      den_l = self.wide(den_l)
      kv_state = kv[..., :D]
      k_sum = kv[..., D]
    if self.combine_kind == "none":
      y = q * 0.0
    else:
      y = self.blend(num_w, scale_w, den_w, num_l, den_l, p)
    if back is not None:
      y = self.pick(y, back)
      y = y.masked_fill((p["mask"] == 0).unsqueeze(1).unsqueeze(3), 0.0)
    kept_k = self.wide(all_k[:, :, T:])
    kept_v = self.wide(all_v[:, :, T:])
    return [y.to(q_in.dtype), kept_k, kept_v, self.wide(window_k_linear), window_g, self.wide(first_k), self.wide(first_v), kv_state, k_sum, pos[:, T - 1] + 1, last_document.clone()]
