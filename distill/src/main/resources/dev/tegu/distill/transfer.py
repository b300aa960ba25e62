  # Losses of the stages that bring a layer's attention near its teacher's. Rows are attention weights
  # [B, H, n, T] of n queries. Each gives the loss, and what is reported beside it: the squared error
  # over the teacher's square (0: perfect, 1: as bad as zero).

  def output_loss(self, student: Tensor, teacher: Tensor) -> List[Tensor]:
    # head outputs [B, H, T, D]
    gap = student.to(6) - teacher.to(6)
    error = (gap * gap).mean()
    size = (teacher.to(6) * teacher.to(6)).mean()
    return [error * self.mse_factor, error / size]

  def output_slope(self, student: Tensor, teacher: Tensor, scale: Tensor) -> List[Tensor]:
    # the same without autograd, and the gradient of the loss times scale [1] in the student's
    gap = student.to(6) - teacher
    error = self.mean_square(gap)
    slope = gap.mul_(2.0 * self.mse_factor * float(scale) / gap.numel()).to(student.dtype)
    return [error * self.mse_factor, error / self.mean_square(teacher), slope]

  def mean_square(self, x: Tensor) -> Tensor:
    size = torch.linalg_vector_norm(x, 2, dtype=6)
    return size * size / x.numel()

  def weight_loss(self, student: Tensor, teacher: Tensor, rows: Tensor, targets: Tensor) -> List[Tensor]:
    output = self.output_loss(student, teacher)
    loss = self.cross_entropy(rows, targets) * self.xent_factor
    if self.mse_factor > 0.0:
      loss = loss + output[0]
    return [loss, output[1]]

  def cross_entropy(self, rows: Tensor, targets: Tensor) -> Tensor:
    # - sum_j a_ij log max(b_ij, 1e-12) with b_i the student's row over its sum, mean over all rows;
    # rows of sinks and of branches that are added do not sum to 1 by themselves
    total = rows.sum([-1], True)
    shares = rows / total.masked_fill(total == 0.0, 1.0)
    return -(targets * torch.log(torch.clamp(shares, 1e-12))).sum([-1]).mean()

  def matrix_loss(self, rows: Tensor, targets: Tensor) -> List[Tensor]:
    gap = rows - targets
    error = (gap * gap).sum([-1]).mean()
    size = (targets * targets).sum([-1]).mean()
    return [error, error / size]

  def finite(self, x: Tensor) -> Tensor:
    # 1 or 0
    return torch.isfinite(x.to(6)).all().to(6)
