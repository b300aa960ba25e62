  # Gates: logarithms of what the state is multiplied with at each token. Letters as in layer.py.

  def log_gate(self, k: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # [B, S, T] or [B, S, T, F], every entry at most 0; k [B, K, T, D] before RoPE
    if "g" in p:
      g = self.wide(p["g"])
    elif self.gate == "key_pool":
      if self.gate_vector:
        u = self.wide(k)
      else:
        u = self.wide(k).mean([-1])
      g = self.head_repeat(torch.log_sigmoid(u) * (1.0 / self.gate_divisor))
    elif self.gate == "constant":
      g = p["gate.log_decay"].reshape([1, self.num_heads, 1])
      g = g.expand([k.size(0), self.num_heads, k.size(2)])
    else:
      x = self.wide(p["x"])
      if self.gate == "low_rank_vector":
        up = p["gate.up.weight"]
        u = torch.matmul(x, p["gate.down.weight"].t())
        u = torch.matmul(u.unsqueeze(1), up.transpose(1, 2))
        if "gate.bias" in p:
          u = u + p["gate.bias"].unsqueeze(1)
        g = torch.log_sigmoid(u) * (1.0 / self.gate_divisor)
      else:
        u = torch.matmul(x, p["gate.weight"].t())
        if "gate.bias" in p:
          u = u + p["gate.bias"]
        if self.gate == "mamba2":
          g = -torch.softplus(u) * torch.exp(p["gate.log_rate"])
        else:
          g = torch.log_sigmoid(u)
        g = g.transpose(1, 2)
    return g

  def lived(self, g: Tensor, T: int) -> Tensor:
    # gates that a token has lived through when it leaves the state's R tokens: from [B, S, R + T, ..]
    # for each of the first T columns c the sum over c + 1 .. c + R. Summed within blocks of R columns
    # rather than as a difference of running sums, whose rounding grows with the text.
    R = self.reach
    L = g.size(2)
    g4 = g
    if g.dim() == 3:
      g4 = g.unsqueeze(3)
    M = (L + R - 1) // R
    x = self.pad_rows(g4, M * R).reshape([g.size(0), g.size(1), M, R, g4.size(3)])
    after = x.flip([3]).cumsum(3).flip([3]) - x
    sums = after[:, :, :M - 1] + x.cumsum(3)[:, :, 1:]
    sums = sums.reshape([g.size(0), g.size(1), (M - 1) * R, g4.size(3)])
    return sums[:, :, :T]
