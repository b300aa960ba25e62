  # Weights of one type made another's, where Java cannot name bfloat16; self.dtype is the number of
  # the type that is wanted: 5 float16, 6 float32, 15 bfloat16.

  def narrow(self, x: Tensor) -> List[Tensor]:
    # x rounded, and how many of its finite numbers are too large, for float16, where some may be
    y = x.to(self.dtype)
    lost = torch.zeros([], dtype=6, device=x.device)
    if self.dtype == 5 and bool(torch.isinf(y).any()):
      lost = torch.logical_and(torch.isinf(y), torch.isfinite(x)).sum().to(6)
    return [y, lost]

  def from_bfloat16(self, bits: Tensor) -> List[Tensor]:
    # the same of the bits of bfloat16 numbers, which crossed as float16
    x = torch.view_copy(bits, dtype=15)
    if self.dtype == 15:
      result = [x, torch.zeros([], dtype=6, device=x.device)]
    else:
      result = self.narrow(x)
    return result
