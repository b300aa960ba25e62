  # A square matrix times another, in a type that Java may have no name for.

  def product(self, a: Tensor, b: Tensor, times: Tensor) -> Tensor:
    # a and b [n, n] float32 -> the product in self.dtype, computed as often as told, as float32
    x = a.to(self.dtype)
    y = b.to(self.dtype)
    z = torch.matmul(x, y)
    for _i in range(int(times) - 1):
      z = torch.matmul(x, y)
    return z.to(6)
