  # Decoding with the whole model in one call: a token a row, from weights and states that the script
  # holds and changes in place. Letters as in decoder.py; R window, m sinks, F feature width, P columns
  # of a softmax cache, E = D + 4: a value, the one that sums up its weights, and three zeros that keep
  # rows on 16 bytes.
  # `layers` and `states` hold a dictionary a layer, `work` what all layers share: cos and sin of all
  # positions, the rows' positions [B], the window slot [1] to overwrite, the rows' last tokens `ids`
  # [B], scores [B, V], tokens of a burst `history` [burst, B] and how many they are `turn` [1], buffers.
  # `short` is 0 once every row's window is full, `columns` are those of the softmax caches.
  # Every launch counts on a GPU, where a small one takes as long as a layer's weights.

  def hold_ends(self, embedding: Tensor, norm: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # w: lm_head where the embedding is not the head; norm.bias, lm_head.bias and embed_positions where
    # there are
    self.work["embedding"] = embedding
    self.work["norm"] = self.doubled(norm)
    for name in ["norm.bias", "lm_head.bias", "embed_positions"]:
      if name in w:
        self.work[name] = w[name]
    self.work["head"] = embedding.t()
    if "lm_head" in w:
      self.work["head"] = w["lm_head"].t()
    sign = torch.ones([2, 1], dtype=embedding.dtype, device=embedding.device)
    _ = sign[1].neg_()
    self.work["sign"] = sign
    D = self.head_dim
    half = D // 2
    eye = torch.eye(D, dtype=6, device=embedding.device)
    self.work["eye"] = eye
    self.work["quarter"] = torch.cat([eye[half:], -eye[:half]], 0)
    if self.rotary_dims > 0 and self.rotary_dims < D:
      self.work["order"] = self.rotated_order(embedding)
    return torch.zeros([])

  def doubled(self, weight: Tensor) -> Tensor:
    # as `normalize_row` reads the weight of an RMS norm
    if self.norm_type == "rms":
      weight = torch.stack([weight, weight])
    return weight

  def rotated_order(self, like: Tensor) -> Tensor:
    # Where only the first R of D dimensions are rotated: which of q, k and v side by side stand where,
    # so that each half of R is at the front of a half of D, as everywhere.
    D = self.head_dim
    R = self.rotary_dims
    rest = (D - R) // 2
    x = torch.arange(D, device=like.device)
    head = torch.cat([x[:R // 2], x[R:R + rest], x[R // 2:R], x[R + rest:]], 0)
    turned = self.num_heads + self.num_kv_heads
    start = torch.arange(turned, device=like.device).unsqueeze(1) * D
    values = torch.arange(turned * D, (turned + self.num_kv_heads) * D, device=like.device)
    return torch.cat([(start + head).reshape([turned * D]), values], 0)

  def hold_rope(self, cos: Tensor, sin: Tensor) -> Tensor:
    self.work["cos"] = cos
    self.work["sin"] = sin
    return torch.zeros([])

  def hold_layer(self, w: Dict[str, Tensor]) -> Tensor:
    # weights, adapters, new parameters and constants by role
    layer = annotate(Dict[str, Tensor], {})
    for name in w.keys():
      layer[name] = w[name]
    for name in ["input_layernorm", "post_attention_layernorm"]:
      if name in w:
        layer[name] = self.doubled(w[name])
    if self.qk_norm == "head":
      q_norm = w["q_norm"].expand([self.num_heads, self.head_dim])
      layer["qk_norm"] = torch.cat([q_norm, w["k_norm"].expand([self.num_kv_heads, self.head_dim])], 0)
    self.join_maps(layer, "qkv_proj", ["q_proj", "k_proj", "v_proj"])
    self.join_maps(layer, "o_proj", ["o_proj"])
    if self.mlp_kind == "gated":
      self.join_maps(layer, "gate_up_proj", ["gate_proj", "up_proj"])
      self.join_maps(layer, "down_proj", ["down_proj"])
    else:
      self.join_maps(layer, "fc1", ["fc1"])
      self.join_maps(layer, "fc2", ["fc2"])
    if "gate.weight" in w:
      layer["gate.turned"] = w["gate.weight"].t()
    self.join_features(layer)
    if "window_factor" in w:
      # what the linear branch weighs beside a window that weighs 1; e^80 leaves nothing of the window
      far = torch.exp(-torch.clamp(w["window_factor"], -80.0))
      if not self.affine:
        far = far + 1.0
      layer["far"] = far.reshape([1, self.num_heads, 1])
    self.layers.append(layer)
    return torch.zeros([])

  def join_maps(self, w: Dict[str, Tensor], name: str, roles: List[str]) -> None:
    # maps of one input side by side, [in, all outputs]: NAME.turned where their weights lie in one
    # piece, and NAME.bias; NAME.down and NAME.up of their adapters
    rows = 0
    rank = 0
    biased = False
    for role in roles:
      w[role + ".turned"] = w[role + ".weight"].t()
      rows = rows + w[role + ".weight"].size(0)
      biased = biased or role + ".bias" in w
      if role + ".lora_A" in w:
        rank = rank + w[role + ".lora_A"].size(0)
    first = w[roles[0] + ".weight"]
    bias = torch.zeros([rows], dtype=first.dtype, device=first.device)
    up = torch.zeros([rank, rows], dtype=6, device=first.device)
    down = annotate(List[Tensor], [])
    row = 0
    column = 0
    for role in roles:
      size = w[role + ".weight"].size(0)
      if role + ".bias" in w:
        _0 = torch.narrow(bias, 0, row, size).copy_(w[role + ".bias"])
      if role + ".lora_A" in w:
        a = w[role + ".lora_A"].t()
        place = torch.narrow(torch.narrow(up, 1, row, size), 0, column, a.size(1))
        _1 = place.copy_(w[role + ".lora_B"].t() * w["lora_scale"])
        down.append(a)
        column = column + a.size(1)
      row = row + size
    if biased:
      w[name + ".bias"] = bias
    if rank > 0:
      w[name + ".down"] = torch.cat(down, 1)
      w[name + ".up"] = up
    if len(roles) > 1 and "shares" in w:
      self.share(w, name, roles)
    return None

  def share(self, w: Dict[str, Tensor], name: str, roles: List[str]) -> None:
    # the weights move into one piece of memory, of which the model's own tensors become parts; there
    # later decoders find them
    parts = annotate(List[Tensor], [])
    rows = 0
    for role in roles:
      parts.append(w[role + ".weight"])
      rows = rows + w[role + ".weight"].size(0)
    width = parts[0].size(1)
    if not self.lie_together(parts):
      whole = torch.cat(parts, 0)
      row = 0
      for part in parts:
        _ = part.set_(torch.narrow(whole, 0, row, part.size(0)))
        row = row + part.size(0)
    w[name + ".turned"] = torch.as_strided(parts[0], [rows, width], [width, 1]).t()
    return None

  def lie_together(self, parts: List[Tensor]) -> bool:
    # whether each part begins in memory where the one before it ends
    together = True
    place = parts[0].storage_offset()
    for part in parts:
      from_first = torch.empty([0], dtype=part.dtype, device=part.device)
      if together and part.storage_offset() == place:
        from_first = torch.as_strided(parts[0], part.size(), [part.size(1), 1], place)
      together = part.is_set_to(from_first)
      place = place + part.numel()
    return together

  def maps(self, x: Tensor, wide: Tensor, name: str, roles: List[str], w: Dict[str, Tensor]) -> Tensor:
    # [B, M] -> the roles' outputs side by side; wide: x in float32
    if name + ".turned" in w and name + ".bias" in w:
      y = torch.addmm(w[name + ".bias"], x, w[name + ".turned"])
    elif name + ".turned" in w:
      y = torch.mm(x, w[name + ".turned"])
    else:
      parts = annotate(List[Tensor], [])
      for role in roles:
        parts.append(torch.mm(x, w[role + ".turned"]))
      y = torch.cat(parts, 1)
      if name + ".bias" in w:
        y = y.add_(w[name + ".bias"])
    if name + ".down" in w:
      y = y.add_(torch.mm(torch.mm(wide, w[name + ".down"]), w[name + ".up"]))
    return y

  def add_map(self, h: Tensor, x: Tensor, name: str, w: Dict[str, Tensor]) -> Tensor:
    # h + the map's output, in h's memory
    h = h.addmm_(x, w[name + ".turned"])
    if name + ".bias" in w:
      h = h.add_(w[name + ".bias"])
    if name + ".down" in w:
      h = h.add_(torch.mm(torch.mm(x.to(6), w[name + ".down"]), w[name + ".up"]))
    return h

  def normalize_row(self, x: Tensor, name: str, w: Dict[str, Tensor]) -> Tensor:
    # [B, M]. RMS norm in two launches: the root mean square of x is the deviation of [x, -x]
    if self.norm_type == "rms":
      both = x.unsqueeze(1) * self.work["sign"]
      y = torch.layer_norm(both, [2, x.size(1)], w[name], None, self.eps, False)
      y = torch.select(y, 1, 0)
    else:
      y = torch.layer_norm(x, [x.size(1)], w[name], w[name + ".bias"], self.eps, False)
    return y

  def turned_heads(self, y: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # q, k, v side by side [B, (H + 2 K) D]: what stands between their maps and RoPE
    if self.qk_norm == "head":
      heads = y.view([y.size(0), -1, self.head_dim])
      both, v = torch.split_with_sizes(heads, [self.num_heads + self.num_kv_heads, self.num_kv_heads], 1)
      size = torch.linalg_vector_norm(both, 2, [-1], True, dtype=6)
      scale = torch.rsqrt(size * size / self.head_dim + self.eps)
      both = w["qk_norm"] * (both * scale).to(y.dtype)
      y = torch.cat([both, v], 1).reshape(y.size())
    if "order" in self.work:
      y = torch.index_select(y, 1, self.work["order"])
    return y

  def add_mlp(self, h: Tensor, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
    # h + the MLP's output of x, in h's memory
    wide = x
    if self.mlp_kind == "gated":
      if "gate_up_proj.down" in w:
        wide = x.to(6)
      y = self.maps(x, wide, "gate_up_proj", ["gate_proj", "up_proj"], w)
      gate, up = torch.chunk(y, 2, 1)
      h = self.add_map(h, self.activation(gate).mul_(up), "down_proj", w)
    else:
      if "fc1.down" in w:
        wide = x.to(6)
      y = self.maps(x, wide, "fc1", ["fc1"], w)
      h = self.add_map(h, self.activation(y), "fc2", w)
    return h

  def rotation(self) -> Tensor:
    # [B, D, D]: a row times it is rotated to the row's position
    position = self.work["position"]
    cos = torch.index_select(self.work["cos"], 0, position).unsqueeze(1)
    sin = torch.index_select(self.work["sin"], 0, position).unsqueeze(1)
    return torch.addcmul(self.work["eye"] * cos, self.work["quarter"], sin)

  def step(self, like: Tensor) -> Tensor:
    # reads the tokens `ids`; scores of what follows, and the most probable tokens, which become
    # `ids`. Where no layer is softmax, a CUDA graph may repeat this: what changes from token to token
    # stands on the device and moves on there, nothing is waited for, and no memory is exchanged.
    self.make_room()
    turn = self.rotation()
    h = torch.embedding(self.work["embedding"], self.work["ids"])
    if "embed_positions" in self.work:
      h = h.add_(torch.embedding(self.work["embed_positions"], self.work["position"]))
    for i in range(len(self.layers)):
      w = self.layers[i]
      s = self.states[i]
      x = self.normalize_row(h, "input_layernorm", w)
      wide = x
      if "qkv_proj.down" in w or self.gated:
        wide = x.to(6)
      y = self.maps(x, wide, "qkv_proj", ["q_proj", "k_proj", "v_proj"], w)
      y = self.turned_heads(y, w)
      if "keys" in s:
        a = self.softmax_token(y, turn, w, s)
      else:
        a = self.linear_token(wide, y, turn, w, s)
      if self.parallel:
        # the MLP reads what the attention read
        if "post_attention_layernorm" in w:
          x = self.normalize_row(h, "post_attention_layernorm", w)
        h = self.add_map(h, a, "o_proj", w)
      else:
        h = self.add_map(h, a, "o_proj", w)
        x = self.normalize_row(h, "post_attention_layernorm", w)
      h = self.add_mlp(h, x, w)
    _0 = self.work["position"].add_(1)
    self.columns = self.columns + 1
    if self.reach > 0:
      _1 = self.work["slot"].add_(1).remainder_(self.reach)
    x = self.normalize_row(h, "norm", self.work)
    if "lm_head.bias" in self.work:
      _2 = torch.addmm(self.work["lm_head.bias"], x, self.work["head"], out=self.work["scores"])
    else:
      _2 = torch.mm(x, self.work["head"], out=self.work["scores"])
    _3 = torch.argmax(self.work["scores"], -1, out=self.work["ids"])
    _4 = self.work["history"].index_copy_(0, self.work["turn"], self.work["ids"].unsqueeze(0))
    _5 = self.work["turn"].add_(1)
    return torch.zeros([])

  def begin(self, ids: Tensor, short: Tensor) -> Tensor:
    # what the next steps begin with: the rows' last tokens [B], and an upper bound of how many tokens
    # it takes until every row's window is full
    _0 = self.work["ids"].copy_(ids)
    _1 = self.work["turn"].zero_()
    self.short = int(short)
    return torch.zeros([])

  def steps(self, count: Tensor) -> Tensor:
    for i in range(int(count)):
      _ = self.step(count)
    return torch.zeros([])

  def logits(self, like: Tensor) -> Tensor:
    # scores after the last step, [B, V]
    return self.work["scores"].to(6, False, True)

  def tokens(self, like: Tensor, count: Tensor) -> Tensor:
    # the most probable tokens of the steps since `begin`, [count, B]
    return torch.narrow(self.work["history"], 0, 0, int(count)).clone()
