  # Feature maps: queries and keys [B, H or K, T, D] become features [B, H, T, F]. Letters as in layer.py.

  def wide(self, x: Tensor) -> Tensor:
    # float32, or float64 where a test asks for it
    if x.dtype == 7:
      y = x
    else:
      y = x.to(6)
    return y

  def rotate(self, x: Tensor, p: Dict[str, Tensor]) -> Tensor:
    y = x
    if "cos" in p:
      cos = p["cos"]
      sin = p["sin"]
      if cos.dim() == 3:
        cos = cos.unsqueeze(1)
        sin = sin.unsqueeze(1)
      half = x.size(-1) // 2
      turned = torch.cat([-x[..., half:], x[..., :half]], -1)
      y = x * cos + turned * sin
    return y

  def branch_inputs(self, q: Tensor, k: Tensor, p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    # queries and keys of the window, then of the linear branch, each rotated where its switch says
    qr = self.rotate(q, p)
    kr = self.rotate(k, p)
    qw = q
    kw = k
    if self.window_rope:
      qw = qr
      kw = kr
    ql = q
    kl = k
    if self.linear_rope:
      ql = qr
      kl = kr
    return (qw, kw, ql, kl)

  def head_repeat(self, x: Tensor) -> Tensor:
    # [B, K, ...] -> [B, H, ...], each key/value head serving G neighbouring query heads
    y = x
    if x.size(1) != self.num_heads:
      y = x.repeat_interleave(self.num_heads // x.size(1), 1)
    return y

  def project(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # the learned projection: [B, H or K, T, D] -> [B, H, T, p]
    name = "feature_map_q"
    if side == "k" and not self.feature_tied:
      name = "feature_map_k"
    weight = p[name + ".weight"]
    heads = x.size(1)
    if weight.size(0) == 1:
      z = torch.matmul(x, weight[0])
      if self.feature_skip:
        z = z + x
      z = self.head_repeat(z)
    else:
      w = weight.reshape([heads, self.num_heads // heads, weight.size(1), weight.size(2)])
      z = torch.matmul(x.unsqueeze(2), w)
      if self.feature_skip:
        z = z + x.unsqueeze(2)
      z = z.reshape([x.size(0), self.num_heads, x.size(2), weight.size(2)])
    if name + ".bias" in p:
      z = z + p[name + ".bias"].unsqueeze(1)
    return z

  def taylor(self, z: Tensor) -> Tensor:
    # [.., p] -> [.., 1 + p + p (p + 1) / 2]: 1 + s + s^2 / 2 as a product, s = z.z' / sqrt(p)
    n = z.size(-1)
    z = z * (float(n) ** -0.25)
    pair = torch.triu_indices(n, n, device=z.device)
    first = pair[0]
    second = pair[1]
    same = (first == second).to(z.dtype)
    square = z.index_select(-1, first) * z.index_select(-1, second)
    square = square * (1.0 - same * (1.0 - 2.0 ** -0.5))
    return torch.cat([torch.ones_like(z[..., :1]), z, square], -1)

  def features(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # [B, H or K, T, D] -> [B, H, T, F]
    if self.feature_map == "identity":
      y = self.head_repeat(x)
    elif self.feature_map == "elu":
      y = self.head_repeat(torch.clamp(torch.elu(x) + 1.0, 1e-12))
    elif self.feature_map == "head_softmax":
      y = self.head_repeat(torch.softmax(x, -1))
    else:
      z = self.project(x, side, p)
      if self.feature_map == "hedgehog":
        # LoLCATs' floor: no feature is ever exactly zero
        both = torch.softmax(torch.stack([z, -z], -2), -1)
        y = torch.clamp(both.flatten(-2), 1e-12)
      elif self.feature_map == "hedgehog_joint":
        y = torch.softmax(torch.cat([2.0 * z, -2.0 * z], -1), -1)
      elif self.feature_map == "hedgehog_exp":
        y = torch.exp(torch.cat([z, -z], -1))
      elif self.feature_map == "t2r":
        y = torch.clamp(torch.relu(z), 1e-12)
      else:
        y = self.taylor(z)
    if side == "q" and self.linear_scale:
      y = y * (float(y.size(-1)) ** -0.5)
    return y

  def log_features(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # logarithms of `features`, for gates that are absorbed into them
    if self.feature_map == "head_softmax":
      y = self.head_repeat(torch.log_softmax(x, -1))
    else:
      z = self.project(x, side, p)
      if self.feature_map == "hedgehog":
        y = torch.cat([torch.log_softmax(z, -1), torch.log_softmax(-z, -1)], -1)
        y = torch.clamp(y, -27.631021115928547)
      elif self.feature_map == "hedgehog_joint":
        y = torch.log_softmax(torch.cat([2.0 * z, -2.0 * z], -1), -1)
      else:
        y = torch.cat([z, -z], -1)
    if side == "q" and self.linear_scale:
      y = y + torch.log(torch.full([1], float(y.size(-1)) ** -0.5, dtype=y.dtype, device=y.device))
    return y
