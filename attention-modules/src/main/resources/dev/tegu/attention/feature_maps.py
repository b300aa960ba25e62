  # Feature maps: queries and keys [B, H or K, T, D] become features [B, H, T, F]. Letters as in layer.py.

  def wide(self, x: Tensor) -> Tensor:
    # float32, or float64 where a test asks for it
    if x.dtype == 7:
      y = x
    else:
      y = x.to(6)
    return y

  def halves(self, x: Tensor) -> bool:
    # whether matrix products are taken in half precision: on a card it is many times faster, on a
    # CPU slower than float32
    half = x.dtype == 15 or x.dtype == 5
    return half and (x.is_cuda or self.half_on_cpu)

  def brief(self, x: Tensor) -> Tensor:
    # the linear branch's type for half-precision inputs. Always bfloat16: sums that nothing divides,
    # and products of floors, leave the range of float16
    return x.to(15)

  def rotate(self, x: Tensor, p: Dict[str, Tensor]) -> Tensor:
    y = x
    if "cos" in p:
      cos = p["cos"]
      sin = p["sin"]
      if cos.dim() == 3:
        cos = cos.unsqueeze(1)
        sin = sin.unsqueeze(1)
      half = x.size(-1) // 2
      if self.halves(x):
        # a product with a matrix of 1, -1 and 0 is exact, and so is its gradient, in one pass each;
        # heads are stored behind tokens
        turn = torch.eye(x.size(-1), dtype=x.dtype, device=x.device).roll([half], [1])
        turn = torch.cat([turn[:half], -turn[half:]], 0)
        turned = torch.matmul(x.transpose(1, 2), turn).transpose(1, 2)
        y = torch.addcmul(x * cos, turned, sin).to(x.dtype)
      else:
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
      # the gradient of an expansion is a sum, that of `repeat_interleave` a scatter
      rest = x.size()[2:]
      G = self.num_heads // x.size(1)
      y = x.unsqueeze(2).expand([x.size(0), x.size(1), G] + rest)
      y = y.reshape([x.size(0), self.num_heads] + rest)
    return y

  def project(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # the learned projection: [B, H or K, T, D] -> [B, H, T, p]
    weight, bias = self.map_parameters(side, p)
    return self.mapped(x, weight, bias)

  def map_parameters(self, side: str, p: Dict[str, Tensor]) -> Tuple[Tensor, Optional[Tensor]]:
    # weight [1 or H, D, p] and bias [1 or H, p]; a skip is an identity in the weight
    name = "feature_map_q"
    if side == "k" and not self.feature_tied:
      name = "feature_map_k"
    weight = p[name + ".weight"]
    if self.feature_skip:
      weight = weight + torch.eye(weight.size(1), dtype=weight.dtype, device=weight.device)
    bias = annotate(Optional[Tensor], None)
    if name + ".bias" in p:
      bias = p[name + ".bias"]
    return (weight, bias)

  def mapped(self, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
    # [B, H or K, T, D] by weight [1 or H, D, p] -> [B, H, T, p], in the type of x
    weight = weight.to(x.dtype)
    heads = x.size(1)
    if weight.size(0) == 1:
      z = self.head_repeat(torch.matmul(x, weight[0]))
    else:
      w = weight.reshape([heads, self.num_heads // heads, weight.size(1), weight.size(2)])
      z = torch.matmul(x.unsqueeze(2), w)
      z = z.reshape([x.size(0), self.num_heads, x.size(2), weight.size(2)])
    if bias is not None:
      z = z + bias.unsqueeze(1).to(x.dtype)
    return z

  def both_signs(self, x: Tensor, side: str, p: Dict[str, Tensor]) -> Tensor:
    # [z, -z] side by side from one product
    weight, bias = self.map_parameters(side, p)
    if bias is not None:
      bias = torch.cat([bias, -bias], -1)
    return self.mapped(x, torch.cat([weight, -weight], -1), bias)

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
      if self.feature_map == "hedgehog":
        both = self.both_signs(x, side, p)
        sizes = [both.size(0), both.size(1), both.size(2), 2, both.size(3) // 2]
        y = torch.softmax(both.reshape(sizes), -1).flatten(-2)
        # LoLCATs' floor: no feature is ever exactly zero. Unseen by the gradient, which is as small
        # as the floor where that acts
        y.data.clamp_(1e-12)
      elif self.feature_map == "hedgehog_joint":
        y = torch.softmax(2.0 * self.both_signs(x, side, p), -1)
      elif self.feature_map == "hedgehog_exp":
        y = torch.exp(self.both_signs(x, side, p))
      elif self.feature_map == "t2r":
        y = torch.clamp(torch.relu(self.project(x, side, p)), 1e-12)
      else:
        y = self.taylor(self.project(x, side, p))
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
