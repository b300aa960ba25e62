  # Random inputs in half precision and distances of results, where Java cannot name the type.

  def narrow(self, x: Tensor) -> Tensor:
    return x.to(self.dtype)

  def widen(self, x: Tensor) -> Tensor:
    return x.to(6)

  def distance(self, found: Tensor, expected: Tensor) -> List[Tensor]:
    # root mean squares of the difference and of what was expected
    a = found.to(7)
    b = expected.to(7)
    d = a - b
    return [torch.sqrt((d * d).mean()), torch.sqrt((b * b).mean())]
