  # What decoding remembers: from a state of attention.md and of LayerState, and back to one.

  def value_width(self) -> int:
    return self.head_dim + 4

  def join_features(self, w: Dict[str, Tensor]) -> None:
    # Hedgehog's maps of x as one product with [W, -W]: map_q [H, D, 2 p], map_k [K, D, G 2 p], and
    # map_bias [2, 1, H, 2, p]. Other feature maps are computed as everywhere.
    if "feature_map_q.weight" in w and self.feature_map == "hedgehog" and not self.linear_scale:
      H = self.num_heads
      K = self.num_kv_heads
      maps = annotate(List[Tensor], [])
      biases = annotate(List[Tensor], [])
      for name in ["feature_map_q", "feature_map_k"]:
        if self.feature_tied:
          name = "feature_map_q"
        m = w[name + ".weight"]
        if self.feature_skip:
          m = m + torch.eye(m.size(1), dtype=m.dtype, device=m.device)
        maps.append(torch.cat([m, -m], 2).expand([H, m.size(1), 2 * m.size(2)]))
        if name + ".bias" in w:
          b = w[name + ".bias"]
          biases.append(torch.stack([b, -b], 1).expand([H, 2, b.size(1)]).unsqueeze(0))
      w["map_q"] = maps[0].contiguous()
      width = maps[1].size(2)
      keys = maps[1].reshape([K, H // K, self.head_dim, width]).transpose(1, 2)
      w["map_k"] = keys.reshape([K, self.head_dim, H // K * width])
      if len(biases) > 0:
        w["map_bias"] = torch.stack(biases)
    return None

  def hold_rows(self, seen: Tensor, columns: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # seen [B]: tokens of each row's text; columns: those of the caches; p: visible [B, columns] where
    # rows do not see all columns
    self.columns = int(columns)
    self.work["slot"] = torch.zeros([1], dtype=4, device=seen.device)
    self.work["position"] = seen.clone()
    R = self.reach
    slot = torch.arange(R, device=seen.device).unsqueeze(0)
    unused = (slot < R - seen.unsqueeze(1)).unsqueeze(1)
    self.work["unused"] = torch.zeros(unused.size(), dtype=6, device=seen.device).masked_fill(unused, -inf)
    if "visible" in p:
      self.work["visible"] = p["visible"].unsqueeze(1).unsqueeze(1)
    self.prepare()
    return torch.zeros([])

  def prepare(self) -> None:
    # buffers that all layers write before they read
    B = self.work["position"].size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    device = self.work["position"].device
    token = torch.zeros([B, K, 1, D + self.value_width()], dtype=6, device=device)
    _0 = torch.select(token, 3, D + D).fill_(1.0)
    self.work["new_kv"] = token
    self.work["new_kv.key"] = torch.narrow(token, 3, 0, D).view([B, K, D])
    self.work["new_kv.number"] = torch.narrow(token, 3, D, D).view([B, K, D])
    self.work["new_kv.entry"] = torch.narrow(token, 3, D, self.value_width()).unsqueeze(2)
    self.work["ids"] = torch.zeros([B], dtype=4, device=device)
    self.work["turn"] = torch.zeros([1], dtype=4, device=device)
    self.work["history"] = torch.zeros([self.burst, B], dtype=4, device=device)
    head = self.work["head"]
    self.work["scores"] = torch.zeros([B, head.size(1)], dtype=head.dtype, device=device)
    self.work["attended"] = torch.zeros([B, H, D], dtype=self.work["embedding"].dtype, device=device)
    self.work["attended.flat"] = self.work["attended"].view([B, H * D])
    # [B, 1, R] of each row and [B K, 1, R] are one memory only if there is one key/value head
    self.work["unseen"] = self.work["unused"].expand([B, K, self.reach]).reshape([B * K, 1, self.reach]).contiguous()
    for w in self.layers:
      if "map_q" in w:
        width = w["map_q"].size(2)
        both = torch.empty([2, B, H, 2, width // 2], dtype=6, device=device)
        self.work["features"] = both
        self.work["features.q"] = both[0].reshape([B, H, width]).transpose(0, 1)
        self.work["features.k"] = both[1].reshape([B, K, H // K * width]).transpose(0, 1)
    return None

  def hold_linear(self, s: Dict[str, Tensor]) -> Tensor:
    # the state of the next linearized layer, copied
    B = self.work["position"].size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    E = self.value_width()
    R = self.reach
    w = self.layers[len(self.states)]
    m = 0
    if "sinks" in w:
      m = w["sinks"].size(1)
    t = annotate(Dict[str, Tensor], {})
    t["document"] = s["document"].clone()
    if R > 0:
      ring = torch.zeros([B, K, R + m, D + E], dtype=6, device=s["seen"].device)
      slots = torch.narrow(ring, 2, 0, R)
      used = (self.work["unused"] == 0.0).to(6)
      _0 = torch.narrow(slots, 3, 0, D).copy_(s["window_k"])
      _1 = torch.narrow(slots, 3, D, D).copy_(s["window_v"] * used.unsqueeze(3))
      _2 = torch.select(slots, 3, D + D).copy_(used)
      _3 = torch.select(torch.narrow(ring, 2, R, m), 3, D + D).fill_(1.0)
      t["window"] = ring
    if self.linear:
      F = s["k_sum"].size(2)
      sums = torch.zeros([B, K, H // K, F, E], dtype=6, device=s["seen"].device)
      _4 = torch.narrow(sums, 4, 0, D).copy_(s["kv_state"].reshape([B, K, H // K, F, D]))
      _5 = torch.select(sums, 4, D).copy_(s["k_sum"].reshape([B, K, H // K, F]))
      t["sums"] = sums
    self.states.append(self.views(t, w))
    return torch.zeros([])

  def views(self, t: Dict[str, Tensor], w: Dict[str, Tensor]) -> Dict[str, Tensor]:
    # other shapes of the same memory, and a buffer of scores whose last columns are the sinks
    B = self.work["position"].size(0)
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    if "window" in t:
      R = self.reach
      rows = t["window"].size(2)
      flat = t["window"].view([B * K, rows, D + self.value_width()])
      t["window.keys"] = torch.narrow(torch.narrow(flat, 1, 0, R), 2, 0, D).transpose(1, 2)
      t["window.values"] = torch.narrow(flat, 2, D, self.value_width())
      scores = torch.zeros([B, K, H // K, rows], dtype=6, device=flat.device)
      if "sinks" in w:
        sinks = w["sinks"].reshape([1, K, H // K, rows - R])
        _0 = torch.narrow(scores, 3, R, rows - R).copy_(sinks)
      t["scores.all"] = scores.reshape([B * K, H // K, rows])
      t["scores"] = torch.narrow(t["scores.all"], 2, 0, R)
    if "sums" in t:
      t["sums.flat"] = t["sums"].reshape([B * H, t["sums"].size(3), -1])
    return t

  def hold_softmax(self, keys: Tensor, values: Tensor) -> Tensor:
    # the cache of the next softmax layer, copied into one with room, see make_room
    t = annotate(Dict[str, Tensor], {})
    t["keys"] = self.widened(keys, self.columns, 2)
    t["values"] = self.widened(values, self.columns, 2)
    self.states.append(t)
    return torch.zeros([])

  def widened(self, x: Tensor, filled: int, axis: int) -> Tensor:
    # x with room for `growth` more columns than are filled
    size = x.size()
    size[axis] = filled + self.growth
    y = torch.zeros(size, dtype=x.dtype, device=x.device)
    _0 = torch.narrow(y, axis, 0, filled).copy_(torch.narrow(x, axis, 0, filled))
    return y

  def make_room(self) -> None:
    # before a token: what it is going to fill
    if self.short > 0:
      _0 = self.work["unseen"].index_fill_(2, self.work["slot"], 0.0)
    n = self.columns
    for t in self.states:
      if "keys" in t:
        if t["keys"].size(2) == n:
          t["keys"] = self.widened(t["keys"], n, 2)
          t["values"] = self.widened(t["values"], n, 2)
    if "visible" in self.work:
      if self.work["visible"].size(3) <= n:
        self.work["visible"] = self.widened(self.work["visible"], n, 3)
      _1 = torch.select(self.work["visible"], 3, n).fill_(True)
    return None

  def keep(self, rows: Tensor) -> Tensor:
    # goes on with some rows [n] only
    if self.reach > 0:
      unused = self.work["unseen"].reshape([-1, self.num_kv_heads, self.reach])
      self.work["unused"] = torch.narrow(unused, 1, 0, 1)
    for name in ["position", "visible", "unused"]:
      if name in self.work:
        self.work[name] = self.work[name].index_select(0, rows)
    self.prepare()
    for i in range(len(self.states)):
      t = annotate(Dict[str, Tensor], {})
      for name in ["window", "sums", "document", "keys", "values"]:
        if name in self.states[i]:
          t[name] = self.states[i][name].index_select(0, rows)
      self.states[i] = self.views(t, self.layers[i])
    return torch.zeros([])

  def seen(self, like: Tensor) -> Tensor:
    return self.work["position"].clone()

  def linear_state(self, layer: Tensor, s: Dict[str, Tensor]) -> List[Tensor]:
    # a layer's state as attention.md has it; s: one of the same layer, for what stays empty
    t = self.states[int(layer)]
    D = self.head_dim
    window_k = s["window_k"]
    window_v = s["window_v"]
    if self.reach > 0:
      order = torch.arange(self.reach, device=window_k.device).add_(self.work["slot"]).remainder_(self.reach)
      slots = torch.index_select(t["window"], 2, order)
      window_k = torch.narrow(slots, 3, 0, D)
      window_v = torch.narrow(slots, 3, D, D)
    kv_state = s["kv_state"]
    k_sum = s["k_sum"]
    if self.linear:
      B = t["sums"].size(0)
      sums = t["sums"].reshape([B, self.num_heads, t["sums"].size(3), -1])
      kv_state = torch.narrow(sums, 3, 0, D).clone()
      k_sum = torch.select(sums, 3, D).clone()
    return [window_k.clone(), window_v.clone(), s["window_k_linear"].clone(), s["window_g"].clone(), s["first_k"].clone(), s["first_v"].clone(), kv_state.clone(), k_sum.clone(), self.work["position"].clone(), t["document"].clone()]

  def softmax_state(self, layer: Tensor) -> List[Tensor]:
    t = self.states[int(layer)]
    keys = torch.narrow(t["keys"], 2, 0, self.columns)
    values = torch.narrow(t["values"], 2, 0, self.columns)
    return [keys.clone(), values.clone()]

  def size_bytes(self, like: Tensor) -> Tensor:
    # memory that stands between tokens and depends on the rows: states and the rows' positions
    bytes = 0
    for t in self.states:
      for name in ["window", "sums", "document", "keys", "values"]:
        if name in t:
          bytes = bytes + t[name].numel() * self.item_bytes(t[name])
    for name in ["position", "visible"]:
      if name in self.work:
        bytes = bytes + self.work[name].numel() * self.item_bytes(self.work[name])
    return torch.full([], bytes, dtype=4)

  def item_bytes(self, x: Tensor) -> int:
    size = 4
    if x.dtype == 4:
      size = 8
    elif x.dtype == 5 or x.dtype == 15:
      size = 2
    elif x.dtype == 11:
      size = 1
    return size

  def hold_random(self, rows: Tensor, length: Tensor) -> Tensor:
    # states of rows after so many tokens, of random numbers, which cost nothing to make
    B = int(rows)
    n = int(length)
    device = self.work["embedding"].device
    D = self.head_dim
    H = self.num_heads
    K = self.num_kv_heads
    F = self.feature_width
    seen = torch.full([B], n, dtype=4, device=device)
    _0 = self.hold_rows(seen, length, annotate(Dict[str, Tensor], {}))
    self.work["unused"] = self.work["unused"] * 0.0
    for w in self.layers:
      if "softmax" in w:
        t = annotate(Dict[str, Tensor], {})
        for name in ["keys", "values"]:
          size = [B, K, n + self.growth, D]
          t[name] = torch.empty(size, dtype=self.work["embedding"].dtype, device=device).normal_()
        self.states.append(t)
      else:
        s = annotate(Dict[str, Tensor], {})
        s["seen"] = seen
        s["document"] = torch.zeros_like(seen)
        s["window_k"] = torch.rand([B, K, self.reach, D], dtype=6, device=device)
        s["window_v"] = torch.rand([B, K, self.reach, D], dtype=6, device=device)
        s["kv_state"] = torch.rand([B, H, F, D], dtype=6, device=device)
        s["k_sum"] = torch.rand([B, H, F], dtype=6, device=device)
        _1 = self.hold_linear(s)
    return torch.zeros([])
