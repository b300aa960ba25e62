  # Losses and the optimizer of the training stages.

  def transfer_loss(self, student: Tensor, teacher: Tensor) -> List[Tensor]:
    # mean squared error of head outputs, and the same over the teacher's mean square (0: perfect,
    # 1: as bad as putting out zero)
    gap = student.to(6) - teacher.to(6)
    error = (gap * gap).mean()
    size = (teacher.to(6) * teacher.to(6)).mean()
    return [error * self.scale, error / size]

  def copy(self, source: Tensor, target: Tensor) -> Tensor:
    # changes target in place, keeping its memory
    target.copy_(source)
    return source

  def zero(self, arrays: List[Tensor]) -> Tensor:
    for a in arrays:
      a.zero_()
    return arrays[0]

  def adamw(self, h: Tensor, params: List[Tensor], grads: List[Tensor], m: List[Tensor], v: List[Tensor]) -> Tensor:
    # h: lr, beta1, beta2, eps, weight_decay, 1 - beta1^t, 1 - beta2^t, max_norm (0: no clipping),
    # 1 / gradients added up in grads. Changes params, m and v in place, empties grads; the result is
    # the norm of the mean gradient before clipping.
    lr = float(h[0])
    beta1 = float(h[1])
    beta2 = float(h[2])
    total = torch.zeros([], dtype=6, device=grads[0].device)
    for g in grads:
      total = total + (g * g).sum()
    norm = torch.sqrt(total) * float(h[8])
    scale = torch.ones_like(norm)
    if float(h[7]) > 0.0:
      scale = torch.clamp(float(h[7]) / (norm + 1e-6), None, 1.0)
    scale = scale * float(h[8])
    for i in range(len(params)):
      g = grads[i] * scale
      m[i].mul_(beta1).add_(g, alpha=1.0 - beta1)
      v[i].mul_(beta2).addcmul_(g, g, value=1.0 - beta2)
      root = torch.sqrt(v[i] / float(h[6])) + float(h[3])
      params[i].mul_(1.0 - lr * float(h[4]))
      params[i].addcdiv_(m[i], root, value=-lr / float(h[5]))
      grads[i].zero_()
    return norm
