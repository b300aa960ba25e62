  # Memory that the CUDA kernel writes to, every element of it. Letters as in layer.py.

  def forward_memory(self, v: Tensor) -> List[Tensor]:
    # the output, and what the kernel keeps of each row for its way back
    B = v.size(0)
    T = v.size(2)
    y = torch.empty([B, self.num_heads, T, v.size(3)], dtype=v.dtype, device=v.device)
    saved = torch.empty([B, self.num_heads, T, self.saved], dtype=6, device=v.device)
    return [y, saved]

  def backward_memory(self, dy: Tensor, of_inputs: bool) -> List[Tensor]:
    # what the first kernel leaves for the second, then the gradients of the eight operands
    rows = self.wide_memory(dy, [self.saved], True)
    dzq = self.wide_memory(dy, [dy.size(3)], self.linear)
    dzk = self.wide_memory(dy, [dy.size(3)], self.linear)
    dg = self.wide_memory(dy, annotate(List[int], []), self.gated)
    heads = [dy.size(0), dy.size(1)]
    mix = 0
    if self.window:
      mix = 1
    dmix = torch.empty([heads[0], heads[1] * mix], dtype=6, device=dy.device)
    dsinks = torch.empty([heads[0], heads[1], self.sinks], dtype=6, device=dy.device)
    dqw = self.like(dy, of_inputs and self.window)
    dkw = self.like(dy, of_inputs and self.window)
    dv = self.like(dy, of_inputs)
    return [rows, dzq, dzk, dqw, dkw, dv, dg, dmix, dsinks]

  def wide_memory(self, dy: Tensor, width: List[int], there: bool) -> Tensor:
    # float32 [B, H, T] and a width, or nothing
    size = [0]
    if there:
      size = [dy.size(0), dy.size(1), dy.size(2)] + width
    return torch.empty(size, dtype=6, device=dy.device)

  def like(self, dy: Tensor, there: bool) -> Tensor:
    size = [0]
    if there:
      size = dy.size()
    return torch.empty(size, dtype=dy.dtype, device=dy.device)

  def parameter_gradients(self, dy: Tensor) -> List[Tensor]:
    return self.backward_memory(dy, False)

  def all_gradients(self, dy: Tensor) -> List[Tensor]:
    return self.backward_memory(dy, True)
