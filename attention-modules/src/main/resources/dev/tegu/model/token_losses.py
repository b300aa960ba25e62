  # What foretelling tokens costs, and its gradient where the head reads. Letters as in decoder.py.

  def token_losses(self, x: Tensor, head: Tensor, p: Dict[str, Tensor]) -> List[Tensor]:
    # x [B, T, M] after the final norm. p: labels [B, T], -100 where nothing is learnt; factors of
    # cross-entropy and KL, the temperature and the positions of a block, [4] on the CPU; teacher [B, T, M], what x is the
    # student's of, where KL counts; loss_scale [] on the CPU where gradients are wanted; head_bias [V]
    # where the head has one.
    # Results: the means of cross-entropy and KL over the learnt tokens [2]; the gradient of x,
    # float32 [B, T, M]; those of the head [V, M] and of its bias [V] if they are trained. In blocks of
    # positions: no array is as large as the logits of the batch.
    ce_factor = float(p["factors"][0])
    kl_factor = float(p["factors"][1])
    temperature = float(p["factors"][2])
    rows = int(p["factors"][3])
    B = x.size(0)
    T = x.size(1) - 1
    M = x.size(2)
    # the label at t + 1 is predicted at t
    flat = x.detach()[:, :T].reshape([B * T, M])
    table = head.detach()
    label = p["labels"][:, 1:].reshape([B * T])
    learnt = (label != -100).to(6).unsqueeze(1)
    count = learnt.sum()
    target = torch.clamp(label, 0).unsqueeze(1)
    teacher = flat
    if "teacher" in p:
      teacher = p["teacher"][:, :T].reshape([B * T, M])
    ce = torch.zeros([], dtype=6, device=x.device)
    kl = torch.zeros([], dtype=6, device=x.device)
    parts = annotate(List[Tensor], [])
    table_gradient = torch.zeros([0], dtype=6, device=x.device)
    # what the loss of a row counts. It is applied behind the products, which are narrower than the
    # logits, and before which small numbers would be lost in half precision
    largest = ce_factor
    if "teacher" in p:
      largest = largest + kl_factor * temperature
    weight = learnt
    if "loss_scale" in p:
      weight = learnt * (float(p["loss_scale"]) * largest / count)
      if head.requires_grad:
        table_gradient = torch.zeros_like(table)
    bias = annotate(Optional[Tensor], None)
    bias_gradient = torch.zeros([0], dtype=6, device=x.device)
    if "head_bias" in p:
      bias = p["head_bias"].detach()
      if "loss_scale" in p and p["head_bias"].requires_grad:
        bias_gradient = torch.zeros([table.size(0)], dtype=6, device=x.device)
    start = 0
    while start < B * T:
      end = min(start + rows, B * T)
      own = learnt[start:end]
      at = target[start:end]
      logits = torch.linear(flat[start:end], table, bias)
      slope = annotate(Optional[Tensor], None)
      if self.final_softcap > 0.0:
        logits = self.capped(logits.to(6), self.final_softcap)
        if "loss_scale" in p:
          # of the cap
          slope = 1.0 - (logits / self.final_softcap) * (logits / self.final_softcap)
      logp = torch.log_softmax(logits, -1, dtype=6)
      log_target = logp.gather(1, at)
      ce = ce - (log_target * own).sum()
      g = logits
      if "teacher" in p:
        theirs = torch.linear(teacher[start:end], table, bias)
        if self.final_softcap > 0.0:
          theirs = self.capped(theirs.to(6), self.final_softcap)
        if temperature == 1.0:
          log_student = logp
          log_teacher = torch.log_softmax(theirs, -1, dtype=6)
        else:
          log_student = torch.log_softmax(logits.to(6) / temperature, -1)
          log_teacher = torch.log_softmax(theirs.to(6) / temperature, -1)
        gap = log_teacher - log_student
        probability = log_teacher.exp_()
        kl = kl + (gap.mul_(probability).sum([1], True) * own).sum()
        if "loss_scale" in p:
          g = torch.sub(torch.exp(log_student), probability).mul_(kl_factor * temperature / largest)
          if ce_factor > 0.0:
            g.add_(logp.exp_(), alpha=ce_factor / largest)
            g.scatter_add_(1, at, torch.full_like(log_target, -ce_factor / largest))
      elif "loss_scale" in p:
        # the label's own number by itself: near 1 the model's type has no digits for it
        g = torch.softmax(logits, -1).scatter_(1, at, (torch.exp(log_target) - 1.0).to(logits.dtype))
      if "loss_scale" in p:
        if slope is not None:
          g = g * slope
        if bias_gradient.size(0) > 0:
          bias_gradient = bias_gradient + (g.to(6) * weight[start:end]).sum([0])
        g = g.to(table.dtype)
        parts.append(torch.matmul(g, table).to(6) * weight[start:end])
        if head.requires_grad:
          rows_in = (flat[start:end] * weight[start:end]).to(table.dtype)
          table_gradient = torch.addmm(table_gradient, g.t(), rows_in)
      start = end
    means = torch.stack([ce / count, kl / count])
    gradient = torch.zeros([0], dtype=6, device=x.device)
    if len(parts) > 0:
      gradient = torch.cat(parts).reshape([B, T, M])
      gradient = torch.constant_pad_nd(gradient, [0, 0, 0, 1], 0)
    return [means, gradient, table_gradient, bias_gradient]

  def inner(self, gradient: Tensor, x: Tensor) -> Tensor:
    # a number whose gradient in x is the given one
    return (x.to(6) * gradient.to(6)).sum()

  def finite(self, x: Tensor) -> Tensor:
    # 1 if every number is finite
    return torch.isfinite(x).all().to(6)
