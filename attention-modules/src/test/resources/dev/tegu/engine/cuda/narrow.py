  # Makes a type that Java has no name for; self.dtype is its number.

  def narrow(self, x: Tensor) -> Tensor:
    return x.to(self.dtype)
