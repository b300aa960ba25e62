  def scaled(self, x: Tensor, p: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
    y = x * self.factor
    if "bias" in p:
      y = y + p["bias"]
    n = 0
    parts = annotate(List[Tensor], [])
    while n < self.rounds:
      parts.append(y[:, n:n + 1])
      n = n + 1
    for i in range(2):
      y = y + float(i)
    if self.kind == "relu":
      y = torch.relu(y)
    mask = torch.arange(x.size(-1), device=x.device).unsqueeze(0) >= torch.arange(x.size(-1), device=x.device).unsqueeze(1)
    z = (x @ x.transpose(-1, -2)).masked_fill(torch.logical_not(mask), -inf)
    return (y, torch.cat(parts, 1) + torch.exp(z.amax([-1], True)))
