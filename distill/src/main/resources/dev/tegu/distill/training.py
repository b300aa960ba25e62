  # The optimizer of the training stages. Nothing in here waits for a GPU: what is read one by one is
  # on the CPU.

  def norms(self, h: Tensor, grads: List[Tensor]) -> Tensor:
    # norm of each group's mean gradient [groups]; h: what makes a mean of the sums in grads, then how
    # many of them each group has
    each = torch.stack(torch._foreach_norm(grads))
    groups = annotate(List[Tensor], [])
    first = 0
    for i in range(1, len(h)):
      last = first + int(h[i])
      groups.append(torch.linalg_vector_norm(each[first:last]))
      first = last
    return torch.stack(groups) * float(h[0])

  def note(self, bad: Tensor, h: Tensor, norms: Tensor, losses: List[Tensor]) -> Tensor:
    # bad [] int64: the first step in which something was not finite, -1 if none was; h: this step's
    # number. Changes bad in place; 1 while all is well, else 0
    well = torch.isfinite(norms).all()
    for loss in losses:
      well = torch.logical_and(well, torch.isfinite(loss).all())
    first = torch.logical_and(bad < 0, torch.logical_not(well))
    bad.copy_(torch.where(first, int(h[0]), bad))
    return (bad < 0).to(6)

  def flat(self, arrays: List[Tensor]) -> Tensor:
    # all numbers in a row; of one array its own memory
    if len(arrays) == 1:
      y = arrays[0].reshape([-1])
    else:
      rows = annotate(List[Tensor], [])
      for a in arrays:
        rows.append(a.reshape([-1]))
      y = torch.cat(rows)
    return y

  def unflat(self, x: Tensor, arrays: List[Tensor]) -> Tensor:
    # the opposite, in place
    if len(arrays) > 1:
      sizes = annotate(List[int], [])
      for a in arrays:
        sizes.append(a.numel())
      rows = torch.split_with_sizes(x, sizes)
      parts = annotate(List[Tensor], [])
      for i in range(len(arrays)):
        parts.append(rows[i].reshape(arrays[i].size()))
      torch._foreach_copy_(arrays, parts)
    return x

  def adamw(self, h: Tensor, norms: Tensor, live: Tensor, params: List[Tensor], grads: List[Tensor], m: List[Tensor], v: List[Tensor]) -> Tensor:
    # h float64: beta1, beta2, eps, weight_decay, 1 - beta1^t, 1 - beta2^t, what makes a mean of the
    # sums in grads, the learning rate, the largest norm (0: any), which of norms is these parameters'.
    # Changes params, m and v in place where live [] is 1, empties grads.
    beta1 = float(h[0])
    beta2 = float(h[1])
    mean = live * float(h[6])
    if float(h[8]) > 0.0:
      mean = mean * torch.clamp(float(h[8]) / (norms[int(h[9])] + 1e-6), max=1.0)
    # a gradient that is no number is none
    g = torch.where(live > 0.0, self.flat(grads) * mean, 0.0)
    first = self.flat(m)
    second = self.flat(v)
    p = self.flat(params)
    first.lerp_(g, live * (1.0 - beta1))
    second.lerp_(g * g, live * (1.0 - beta2))
    root = torch.sqrt(second / float(h[5])).add_(float(h[2]))
    change = torch.div(first, root).div_(float(h[4]))
    if float(h[3]) > 0.0:
      change.add_(p, alpha=float(h[3]))
    p.addcmul_(change, live, value=-float(h[7]))
    self.unflat(first, m)
    self.unflat(second, v)
    self.unflat(p, params)
    torch._foreach_zero_(grads)
    return live
