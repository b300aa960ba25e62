  # What foretelling tokens costs, and its gradient where the head reads. Letters as in decoder.py.

  def token_losses(self, x: Tensor, head: Tensor, p: Dict[str, Tensor]) -> List[Tensor]:
    # x [B, T, M] after the final norm. p: labels [B, T], -100 where nothing is learnt; factors of
    # cross-entropy and KL, the temperature and the positions of a block, [4] on the CPU; teacher [B, T, M], what x is the
    # student's of, where KL counts; loss_scale [] on the CPU where gradients are wanted.
    # Results: the means of cross-entropy and KL over the learnt tokens [2]; the gradient of x,
    # float32 [B, T, M]; that of the head [V, M] if it is trained. In blocks of positions: no array
    # is as large as the logits of the batch.
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
    if "loss_scale" in p and head.requires_grad:
      table_gradient = torch.zeros_like(table)
    start = 0
    while start < B * T:
      end = min(start + rows, B * T)
      own = learnt[start:end]
      logits = torch.linear(flat[start:end], table, None).to(6)
      logp = torch.log_softmax(logits, -1)
      ce = ce - (logp.gather(1, target[start:end]) * own).sum()
      g = torch.exp(logp) * ce_factor
      g.scatter_add_(1, target[start:end], torch.full([end - start, 1], -ce_factor, dtype=6, device=x.device))
      if "teacher" in p:
        theirs = torch.linear(teacher[start:end], table, None).to(6)
        log_teacher = torch.log_softmax(theirs / temperature, -1)
        log_student = torch.log_softmax(logits / temperature, -1)
        probability = torch.exp(log_teacher)
        kl = kl + ((probability * (log_teacher - log_student)).sum([1], True) * own).sum()
        g = g + (torch.exp(log_student) - probability) * (kl_factor * temperature)
      if "loss_scale" in p:
        g = (g * (own * (float(p["loss_scale"]) / count))).to(table.dtype)
        parts.append(torch.matmul(g, table).to(6))
        if head.requires_grad:
          table_gradient = table_gradient + torch.matmul(g.t(), flat[start:end])
      start = end
    means = torch.stack([ce / count, kl / count])
    gradient = torch.zeros([0], dtype=6, device=x.device)
    if len(parts) > 0:
      gradient = torch.cat(parts).reshape([B, T, M])
      gradient = torch.constant_pad_nd(gradient, [0, 0, 0, 1], 0)
    return [means, gradient, table_gradient]

  def inner(self, gradient: Tensor, x: Tensor) -> Tensor:
    # a number whose gradient in x is the given one
    return (x.to(6) * gradient.to(6)).sum()

  def finite(self, x: Tensor) -> Tensor:
    # 1 if every number is finite
    return torch.isfinite(x).all().to(6)
