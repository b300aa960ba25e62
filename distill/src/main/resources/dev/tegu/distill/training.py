  # The optimizer of the training stages.

  def copy(self, source: Tensor, target: Tensor) -> Tensor:
    # changes target in place, keeping its memory
    target.copy_(source)
    return source

  def zero(self, arrays: List[Tensor]) -> Tensor:
    for a in arrays:
      a.zero_()
    return arrays[0]

  def stack(self, arrays: List[Tensor]) -> Tensor:
    return torch.stack(arrays)

  def gradient_norm(self, grads: List[Tensor]) -> Tensor:
    total = torch.zeros([], dtype=6, device=grads[0].device)
    for g in grads:
      total = total + (g * g).sum()
    return torch.sqrt(total)

  def adamw(self, h: Tensor, rates: Tensor, params: List[Tensor], grads: List[Tensor], m: List[Tensor], v: List[Tensor]) -> Tensor:
    # h: beta1, beta2, eps, weight_decay, 1 - beta1^t, 1 - beta2^t, what makes a mean of the sums in
    # grads, what clips that; rates: the learning rate of each parameter, float64. Changes params, m
    # and v in place, empties grads.
    beta1 = float(h[0])
    beta2 = float(h[1])
    for i in range(len(params)):
      lr = float(rates[i])
      g = grads[i] * float(h[6]) * float(h[7])
      m[i].mul_(beta1).add_(g, alpha=1.0 - beta1)
      v[i].mul_(beta2).addcmul_(g, g, value=1.0 - beta2)
      root = torch.sqrt(v[i] / float(h[5])) + float(h[2])
      params[i].mul_(1.0 - lr * float(h[3]))
      params[i].addcdiv_(m[i], root, value=-lr / float(h[4]))
      grads[i].zero_()
    return h
