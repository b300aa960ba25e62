  # What an analysis measures of two models. Letters: H heads, T tokens, D head width, M hidden width,
  # V vocabulary, n positions. All of one text, so the batch is 1. Numbers are float32 whatever the
  # models' types.

  def cast(self, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)

  def piece(self, x: Tensor, at: Tensor) -> Tensor:
    # positions at[0] to at[1] - 1 of [1, T, M]; at on the CPU
    return x[:, int(at[0]):int(at[1])]

  def positions(self, x: Tensor, index: Tensor) -> Tensor:
    # [1, T, M] -> [1, n, M]
    return x.index_select(1, index)

  def losses(self, logits: Tensor, target: Tensor) -> Tensor:
    # float32 logits [1, n, V] and the tokens that follow [n] -> [2, n]: -ln p of each, and whether it
    # is the most probable
    scores = logits[0]
    log_p = torch.log_softmax(scores, -1).gather(1, target.unsqueeze(1)).squeeze(1)
    return torch.stack([-log_p, (scores.argmax(-1) == target).to(6)])

  def compare(self, teacher: Tensor, student: Tensor, target: Tensor) -> Tensor:
    # the same of two models -> [4, n]: losses of both, KL(teacher || student), and whether the same
    # token is the most probable
    a = torch.log_softmax(teacher[0], -1)
    b = torch.log_softmax(student[0], -1)
    at = target.unsqueeze(1)
    kl = (torch.exp(a) * (a - b)).sum([-1])
    same = (teacher[0].argmax(-1) == student[0].argmax(-1)).to(6)
    return torch.stack([-a.gather(1, at).squeeze(1), -b.gather(1, at).squeeze(1), kl, same])

  def head_errors(self, student: Tensor, teacher: Tensor) -> Tensor:
    # the heads' outputs [1, H, T, D] -> [3, H], sums over tokens: squared error, the teacher's square,
    # cosine (0 where one of the two is 0)
    s = student[0].to(6)
    t = teacher[0].to(6)
    gap = s - t
    norms = torch.linalg_vector_norm(s, 2, [-1]) * torch.linalg_vector_norm(t, 2, [-1])
    cosine = (s * t).sum([-1]) / norms.masked_fill(norms == 0.0, 1.0)
    return torch.stack([(gap * gap).sum([1, 2]), (t * t).sum([1, 2]), cosine.sum([1])])

  def stream_errors(self, student: Tensor, teacher: Tensor, before: Tensor) -> Tensor:
    # the residual stream [1, T, M] after the student's layer and after the teacher's, and before it ->
    # [2]: squared error, and the square of what the teacher's layer added
    t = teacher.to(6)
    gap = student.to(6) - t
    update = t - before.to(6)
    return torch.stack([(gap * gap).sum(), (update * update).sum()])

  def entropies(self, rows: Tensor) -> Tensor:
    # attention weights [1, H, n, T] -> [H]: entropy in nats, summed over queries
    return -torch.xlogy(rows[0], rows[0]).sum([1, 2])

  def beyond(self, rows: Tensor, near: Tensor) -> Tensor:
    # weights [1, H, n, T] and what the window shows [1, n, T] -> [H]: weight of what it does not show,
    # summed over queries
    return (rows[0] * (1.0 - near)).sum([1, 2])

  def unseen(self, near: Tensor, index: Tensor) -> Tensor:
    # [1, n, T] and the queries [n] -> [n]: how many tokens up to itself the window does not show each
    return (index + 1).to(6) - near[0].sum([-1])

  def looked_at(self, rows: Tensor, target: Tensor) -> Tensor:
    # weights [1, H, n, T] and a place for each query [n] -> [2, H, n]: the place of the largest weight,
    # and the weight of that place
    a = rows[0]
    at = target.unsqueeze(0).unsqueeze(2).expand([a.size(0), a.size(1), 1])
    return torch.stack([a.argmax(-1).to(6), a.gather(2, at).squeeze(2)])
