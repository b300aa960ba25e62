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
    # w: lm_head where the embedding is not the head
    self.work["embedding"] = embedding
    self.work["norm"] = torch.stack([norm, norm])
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
    return torch.zeros([])

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
      layer[name] = torch.stack([w[name], w[name]])
    self.join_maps(layer, "qkv_proj", ["q_proj", "k_proj", "v_proj"])
    self.join_maps(layer, "gate_up_proj", ["gate_proj", "up_proj"])
    self.join_maps(layer, "o_proj", ["o_proj"])
    self.join_maps(layer, "down_proj", ["down_proj"])
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

  def normalize_row(self, x: Tensor, weight: Tensor) -> Tensor:
    # RMS norm [B, M] in two launches: the root mean square of x is the deviation of [x, -x]
    both = x.unsqueeze(1) * self.work["sign"]
    y = torch.layer_norm(both, [2, x.size(1)], weight, None, self.eps, False)
    return torch.select(y, 1, 0)

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
    for i in range(len(self.layers)):
      w = self.layers[i]
      s = self.states[i]
      x = self.normalize_row(h, w["input_layernorm"])
      wide = x
      if "qkv_proj.down" in w or self.gated:
        wide = x.to(6)
      y = self.maps(x, wide, "qkv_proj", ["q_proj", "k_proj", "v_proj"], w)
      if "keys" in s:
        a = self.softmax_token(y, turn, s)
      else:
        a = self.linear_token(wide, y, turn, w, s)
      h = self.add_map(h, a, "o_proj", w)
      x = self.normalize_row(h, w["post_attention_layernorm"])
      wide = x
      if "gate_up_proj.down" in w:
        wide = x.to(6)
      y = self.maps(x, wide, "gate_up_proj", ["gate_proj", "up_proj"], w)
      gate, up = torch.chunk(y, 2, 1)
      if self.hidden_act == "silu":
        gate = torch.silu(gate)
      elif self.hidden_act == "gelu":
        gate = torch.gelu(gate)
      else:
        gate = torch.gelu(gate, approximate="tanh")
      h = self.add_map(h, gate.mul_(up), "down_proj", w)
    _0 = self.work["position"].add_(1)
    self.columns = self.columns + 1
    if self.reach > 0:
      _1 = self.work["slot"].add_(1).remainder_(self.reach)
    _2 = torch.mm(self.normalize_row(h, self.work["norm"]), self.work["head"], out=self.work["scores"])
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
