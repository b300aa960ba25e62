  # What an attention kernel computes from its eight operands, written out as T x T matrices in float64,
  # and its gradients by autograd. Letters as in layer.py.

  def phi(self, z: Tensor) -> Tensor:
    return torch.clamp(torch.cat([torch.softmax(z, -1), torch.softmax(-z, -1)], -1), 1e-12)

  def attend(self, zq: Tensor, zk: Tensor, qw: Tensor, kw: Tensor, v: Tensor, g: Tensor, mix: Tensor, sinks: Tensor) -> Tensor:
    # kw and v [B, H, T, D], mix [B, H] and sinks [B, H, m]: as the gradients are wanted
    T = v.size(2)
    at = torch.arange(T, device=v.device)
    distance = at.unsqueeze(1) - at.unsqueeze(0)
    num_l = torch.zeros_like(v)
    den_l = num_l[..., :1]
    num_w = num_l
    den_w = den_l
    if self.linear:
      weights = torch.matmul(self.phi(zq), self.phi(zk).transpose(2, 3))
      if self.gated:
        b = g.cumsum(2)
        weights = weights * torch.exp(torch.clamp(b.unsqueeze(3) - b.unsqueeze(2), max=0.0))
      weights = weights.masked_fill(distance < self.shift, 0.0)
      num_l = torch.matmul(weights, v)
      den_l = weights.sum([3], True)
    if self.window > 0:
      scores = torch.matmul(qw, kw.transpose(2, 3)) * (float(v.size(3)) ** -0.5)
      unseen = torch.logical_or(distance < 0, distance >= self.window)
      scores = scores.masked_fill(unseen, -inf)
      extra = scores[..., :0]
      if self.sinks > 0:
        extra = sinks.unsqueeze(2).expand([v.size(0), v.size(1), T, self.sinks])
      every = torch.cat([scores, extra], 3)
      e = torch.exp(every - every.amax([3], True))
      num_w = torch.matmul(e[..., :T], v)
      den_w = e.sum([3], True)
    if self.shared:
      if self.window > 0:
        factor = mix.unsqueeze(2).unsqueeze(3)
        num_w = num_w * factor
        den_w = den_w * factor
        if self.affine:
          num_l = num_l * (1.0 - factor)
          den_l = den_l * (1.0 - factor)
      y = self.over(num_w + num_l, den_w + den_l)
    else:
      y = num_l
      if self.normalize:
        y = self.over(num_l, den_l)
      if self.window > 0:
        y = y + self.over(num_w, den_w) * mix.unsqueeze(2).unsqueeze(3)
    return y

  def over(self, num: Tensor, den: Tensor) -> Tensor:
    return num / torch.where(den == 0.0, 1.0, den)

  def leaves(self, operands: List[Tensor]) -> List[Tensor]:
    # double, keys and values once a query head, weights and sinks once a row
    B = operands[4].size(0)
    found = annotate(List[Tensor], [])
    for i in range(8):
      x = operands[i].to(7)
      if x.numel() > 0:
        if i == 3 or i == 4:
          x = x.repeat_interleave(self.num_heads // x.size(1), 1)
        elif i > 5:
          x = x.unsqueeze(0).repeat([B] + [1] * x.dim())
      found.append(x.detach().requires_grad_(True))
    return found

  def forward(self, operands: List[Tensor]) -> List[Tensor]:
    x = self.leaves(operands)
    y = self.attend(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    return [y.detach().to(operands[4].dtype)]

  def backward(self, dy: Tensor, operands: List[Tensor], inputs: Tensor) -> List[Tensor]:
    x = self.leaves(operands)
    y = self.attend(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    ys = annotate(List[Tensor], [y])
    gs = annotate(List[Optional[Tensor]], [dy.to(7)])
    found = torch.grad(ys, x, gs, None, False, True)
    results = annotate(List[Tensor], [])
    for i in range(8):
      d = found[i]
      unwanted = i >= 2 and i <= 4 and inputs.numel() == 0
      if d is None or unwanted:
        results.append(torch.zeros([0], dtype=operands[i].dtype, device=dy.device))
      else:
        results.append(d.to(operands[i].dtype))
    return results
