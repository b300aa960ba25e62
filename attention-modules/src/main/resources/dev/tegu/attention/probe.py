  # Rounds to half precision and back, gradients too, where Java cannot name the type: self.dtype is 15
  # (bfloat16) or 5 (float16).

  def rounded(self, x: Tensor) -> Tensor:
    return x.to(self.dtype).to(x.dtype)
