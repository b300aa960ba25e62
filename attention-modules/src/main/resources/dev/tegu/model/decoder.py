  # A decoder layer around its attention, and the two ends of the model. What differs from family to
  # family are the constants of `self` and which tensors there are, see docs/architectures.md.
  # Letters: B batch, T tokens, M hidden width, H query heads, K key/value heads, D head width,
  # V vocabulary. `w` holds one layer's tensors by role: q_proj.weight, q_proj.bias, q_proj.lora_A,
  # q_proj.lora_B, lora_scale, lora_dropout (while training), input_layernorm, input_layernorm.bias, ...
  # `e` holds what stands behind the layers: norm and lm_head, norm.bias and lm_head.bias.

  def rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
    # float32 inside; no copy of x is made for that
    size = torch.linalg_vector_norm(x, 2, [-1], True, dtype=6)
    scale = torch.rsqrt(size * size / x.size(-1) + self.eps)
    return weight * (x * scale).to(x.dtype)

  def norm(self, x: Tensor, name: str, w: Dict[str, Tensor]) -> Tensor:
    if self.norm_type == "rms":
      y = self.rms_norm(x, w[name])
    elif self.norm_type == "rms_plus_one":
      wide = x.to(6)
      scale = torch.rsqrt((wide * wide).mean([-1], True) + self.eps)
      y = (wide * scale * (1.0 + w[name].to(6))).to(x.dtype)
    else:
      y = torch.layer_norm(x, [x.size(-1)], w[name], w[name + ".bias"], self.eps, False)
    return y

  def dense(self, x: Tensor, name: str, w: Dict[str, Tensor]) -> Tensor:
    bias = annotate(Optional[Tensor], None)
    if name + ".bias" in w:
      bias = w[name + ".bias"]
    y = torch.linear(x, w[name + ".weight"], bias)
    if name + ".lora_A" in w:
      # adapters are float32, their products in the model's type like all others
      z = x
      if "lora_dropout" in w:
        z = torch.dropout(z, float(w["lora_dropout"]), True)
      low = torch.linear(z, w[name + ".lora_A"].to(x.dtype), None) * w["lora_scale"]
      up = w[name + ".lora_B"].to(x.dtype).t()
      # added by the product itself
      y = torch.addmm(y.flatten(0, -2), low.flatten(0, -2), up).reshape(y.size())
    return y

  def heads(self, x: Tensor, count: int) -> Tensor:
    return x.reshape([x.size(0), x.size(1), count, self.head_dim]).transpose(1, 2)

  def rotated_first(self, x: Tensor) -> Tensor:
    # Where only the first R of D dimensions are rotated, one half of them with the other: each half of
    # R to the front of a half of D, so that all that follows may rotate one half of D with the other.
    # Dot products stay as they are, since queries and keys go the same way.
    half = self.rotary_dims // 2
    rest = (self.head_dim - self.rotary_dims) // 2
    a, b, c, d = torch.split_with_sizes(x, [half, half, rest, rest], -1)
    return torch.cat([a, c, b, d], -1)

  def projections(self, h: Tensor, w: Dict[str, Tensor]) -> List[Tensor]:
    # [B, T, M] -> the normed input [B, T, M], q [B, H, T, D], k and v [B, K, T, D], before RoPE
    if "input_layernorm" in w:
      x = self.norm(h, "input_layernorm", w)
    else:
      x = h.view_as(h)
    q = self.dense(x, "q_proj", w)
    k = self.dense(x, "k_proj", w)
    if self.qk_norm == "whole":
      q = self.norm(q, "q_norm", w)
      k = self.norm(k, "k_norm", w)
    q = self.heads(q, self.num_heads)
    k = self.heads(k, self.num_kv_heads)
    v = self.heads(self.dense(x, "v_proj", w), self.num_kv_heads)
    if self.qk_norm == "head":
      q = self.norm(q, "q_norm", w)
      k = self.norm(k, "k_norm", w)
    if self.rotary_dims > 0 and self.rotary_dims < self.head_dim:
      q = self.rotated_first(q)
      k = self.rotated_first(k)
    if self.query_factor != 1.0:
      q = q * self.query_factor
    return [x, q, k, v]

  def finish(self, h: Tensor, a: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # residual stream [B, T, M] and heads' outputs [B, H, T, D] -> residual stream after the layer
    a = a.transpose(1, 2).reshape([h.size(0), h.size(1), self.num_heads * self.head_dim])
    y = self.dense(a, "o_proj", w)
    if "attention_output_norm" in w:
      y = self.norm(y, "attention_output_norm", w)
    name = "post_attention_layernorm"
    if self.parallel:
      # the MLP reads what the attention read
      if name not in w:
        name = "input_layernorm"
      y = y + self.mlp(self.norm(h, name, w), w)
    else:
      h = h + y
      x = h
      if name in w:
        x = self.norm(h, name, w)
      y = self.mlp(x, w)
      if "mlp_output_norm" in w:
        y = self.norm(y, "mlp_output_norm", w)
    return h + y

  def mlp(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
    if self.mlp_kind == "gated":
      y = self.gated_mlp(x, "", w)
    elif self.mlp_kind == "plain":
      y = self.dense(self.activation(self.dense(x, "fc1", w)), "fc2", w)
    else:
      y = self.chosen_experts(x.reshape([-1, x.size(-1)]), w).reshape(x.size())
    return y

  def gated_mlp(self, x: Tensor, prefix: str, w: Dict[str, Tensor]) -> Tensor:
    gate = self.activation(self.dense(x, prefix + "gate_proj", w))
    return self.dense(gate * self.dense(x, prefix + "up_proj", w), prefix + "down_proj", w)

  def chosen_experts(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # [N, M]: each token's best experts, weighted by the softmax over all, scaled to sum up to 1
    scores = torch.softmax(self.dense(x, "router", w).to(6), -1)
    weights, chosen = torch.topk(scores, self.experts_per_token, -1, True, True)
    weights = weights / weights.sum([-1], True)
    y = torch.zeros_like(x)
    for expert in range(self.experts):
      rows, place = torch.unbind(torch.nonzero(chosen == expert), 1)
      if rows.size(0) > 0:
        out = self.gated_mlp(x.index_select(0, rows), "experts." + str(expert) + ".", w)
        weight = weights.reshape([-1]).index_select(0, rows * self.experts_per_token + place)
        y = y.index_add(0, rows, (out * weight.unsqueeze(1)).to(x.dtype))
    return y

  def places(self, ids: Tensor, p: Dict[str, Tensor]) -> List[Tensor]:
    # Where each token of ids [B, T] stands. p: mask [B, T] and document [B, T] where given; of the
    # rows before them, all [B]: tokens seen of the current text, its document (before) and number
    # (text); cos and sin of all positions. Results: cos and sin [B, T, D], text [B, T] (padding: -1),
    # the three after the tokens, and position [B, T].
    T = ids.size(1)
    seen = p["seen"].unsqueeze(1)
    document = p["before"].unsqueeze(1).expand_as(ids)
    number = p["text"].unsqueeze(1).expand_as(ids)
    real = torch.ones_like(ids)
    if "mask" in p:
      real = (p["mask"] != 0).to(4)
    earlier = real.cumsum(1) - real
    position = seen + earlier
    if "document" in p:
      # padding counts to the document of the real token before it
      column = torch.arange(T, device=ids.device)
      latest, _i = torch.cummax(torch.where(real != 0, column, -1), 1)
      named = torch.gather(p["document"], 1, torch.clamp(latest, 0))
      named = torch.where(latest >= 0, named, document)
      change = named != torch.cat([document[:, :1], named[:, :T - 1]], 1)
      document = named
      number = number + change.to(4).cumsum(1)
      start, _j = torch.cummax(torch.where(change, earlier, -1), 1)
      position = torch.where(start >= 0, earlier - start, position)
    text = torch.where(real != 0, number, -1)
    cos = torch.embedding(p["cos"], position)
    sin = torch.embedding(p["sin"], position)
    after = position[:, T - 1] + real[:, T - 1]
    return [cos, sin, text, after, document[:, T - 1].clone(), number[:, T - 1].clone(), position]

  def visible(self, text: Tensor, before: Tensor) -> List[Tensor]:
    # texts of new tokens [B, T] and of those of the caches [B, P] -> texts of both [B, P + T], and
    # which of them each new token sees [B, 1, T, P + T]. Padding sees padding, itself at least: the
    # softmax over no column would be NaN.
    columns = torch.cat([before, text], 1)
    row = torch.arange(text.size(1), device=text.device).unsqueeze(1) + before.size(1)
    column = torch.arange(columns.size(1), device=text.device).unsqueeze(0)
    same = text.unsqueeze(2) == columns.unsqueeze(1)
    return [columns, torch.logical_and(same, column <= row).unsqueeze(1)]

  def forget(self, columns: Tensor, tokens: Tensor) -> Tensor:
    # the last real columns of each row become padding
    real = columns >= 0
    later = real.to(4).flip([1]).cumsum(1).flip([1])
    return columns.masked_fill(torch.logical_and(real, later <= tokens), -1)

  def rotated(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    # cos, sin [T, D] or [B, T, D]; each half of x cos gets the other half times sin
    if cos.dim() == 3:
      cos = cos.unsqueeze(1)
      sin = sin.unsqueeze(1)
    half = x.size(-1) // 2
    y = x * cos
    y[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    y[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return y.to(x.dtype)

  def softmax_attention(self, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    # the teacher's attention, no T x T matrix
    q = self.rotated(q, cos, sin)
    k = self.rotated(k, cos, sin)
    if self.num_heads != self.num_kv_heads and not q.is_cuda:
      # on a CPU only heads of equal number go without that matrix
      k = k.repeat_interleave(self.num_heads // self.num_kv_heads, 1)
      v = v.repeat_interleave(self.num_heads // self.num_kv_heads, 1)
      return torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=False)
    return torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=self.num_heads != self.num_kv_heads)

  def softmax_whole(self, q: Tensor, k: Tensor, v: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # the same over whole texts; p as of `softmax_piece`
    if self.sees_all(k.size(2), p):
      a = self.softmax_attention(q, k, v, p["cos"], p["sin"])
    else:
      a = self.softmax_piece(q, k, v, p, k[:, :, :0], v[:, :, :0])[0]
    return a

  def softmax_layer(self, h: Tensor, w: Dict[str, Tensor], p: Dict[str, Tensor]) -> Tensor:
    x, q, k, v = self.projections(h, w)
    return self.finish(h, self.softmax_whole(q, k, v, p), w)

  def teacher_layer(self, h: Tensor, w: Dict[str, Tensor], p: Dict[str, Tensor]) -> List[Tensor]:
    # residual stream after the layer, and what is on the way: x, q, k, v as of `projections`, and the
    # heads' outputs
    x, q, k, v = self.projections(h, w)
    a = self.softmax_whole(q, k, v, p)
    return [self.finish(h, a, w), x, q, k, v, a]

  def softmax_rows(self, q: Tensor, k: Tensor, p: Dict[str, Tensor], index: Tensor) -> Tensor:
    # the teacher's weights of the queries index [n], [B, H, n, T]; p as of `softmax_piece`
    q = self.rotated(q, p["cos"], p["sin"]).index_select(2, index) * (float(q.size(3)) ** -0.5)
    k = self.rotated(k, p["cos"], p["sin"])
    K = k.size(1)
    T = k.size(2)
    rows = q.reshape([q.size(0), K, self.num_heads // K * q.size(2), q.size(3)])
    scores = torch.matmul(rows, k.transpose(2, 3)).to(6)
    scores = scores.reshape([q.size(0), self.num_heads, q.size(2), T])
    scores = self.capped(scores, self.attention_softcap)
    sight = self.sight(T, 0, p, k)
    seen = torch.ones([1, 1, 1, 1], dtype=11, device=k.device)
    if sight is not None:
      seen = sight.index_select(2, index)
    a = torch.softmax(scores.masked_fill(torch.logical_not(seen), -inf), -1)
    if "mask" in p:
      padding = (p["mask"] == 0).index_select(1, index)
      a = a.masked_fill(padding.unsqueeze(1).unsqueeze(3), 0.0)
    return a

  def nothing(self, tokens: Tensor) -> Tensor:
    # [B, K, T, D] -> [B, K, 0, D]
    return tokens[:, :, :0].clone()

  def embed(self, ids: Tensor, table: Tensor) -> Tensor:
    h = torch.embedding(table, ids)
    if self.embed_scale != 1.0:
      h = h * torch.full([], self.embed_scale, dtype=h.dtype, device=h.device)
    return h

  def embed_placed(self, ids: Tensor, table: Tensor, positions: Tensor, position: Tensor) -> Tensor:
    # learned positions [P, M] of the tokens' [T] or [B, T]
    return self.embed(ids, table) + torch.embedding(positions, position)

  def capped(self, x: Tensor, cap: float) -> Tensor:
    if cap > 0.0:
      x = torch.tanh(x / cap) * cap
    return x

  def normed(self, h: Tensor, e: Dict[str, Tensor]) -> Tensor:
    return self.norm(h, "norm", e)

  def logits(self, h: Tensor, e: Dict[str, Tensor]) -> Tensor:
    # [B, T, M] -> float32 [B, T, V]
    bias = annotate(Optional[Tensor], None)
    if "lm_head.bias" in e:
      bias = e["lm_head.bias"]
    y = torch.linear(self.norm(h, "norm", e), e["lm_head"], bias)
    return self.capped(y.to(6), self.final_softcap)

  def next_token(self, h: Tensor, e: Dict[str, Tensor]) -> Tensor:
    # float32 logits after the last token, [B, V]
    return self.logits(h[:, -1], e)

  def score(self, h: Tensor, ids: Tensor, e: Dict[str, Tensor]) -> List[Tensor]:
    # log-probability of each next token and whether it is the most probable, both [B, T - 1];
    # in blocks of positions, so that the logits of the whole batch never stand in memory
    logps = annotate(List[Tensor], [])
    greedy = annotate(List[Tensor], [])
    T = h.size(1) - 1
    start = 0
    while start < T:
      end = min(start + 128, T)
      logits = self.logits(h[:, start:end], e)
      target = ids[:, start + 1:end + 1]
      logps.append(torch.log_softmax(logits, -1).gather(-1, target.unsqueeze(-1)).squeeze(-1))
      greedy.append(logits.argmax(-1) == target)
      start = end
    return [torch.cat(logps, 1), torch.cat(greedy, 1).to(6)]

  def cross_entropy(self, h: Tensor, labels: Tensor, e: Dict[str, Tensor]) -> Tensor:
    # mean over the labels that are not -100; the label at t + 1 is predicted at t
    T = h.size(1)
    logits = self.logits(h[:, :T - 1], e)
    logp = torch.log_softmax(logits.reshape([-1, logits.size(2)]), -1)
    return torch.nll_loss(logp, labels[:, 1:].reshape([-1]), None, 1, -100)
