  # Half precision made and unmade where Java cannot name it; self.dtype is 15 (bfloat16) or 5 (float16).

  def narrow(self, x: Tensor) -> Tensor:
    return x.to(self.dtype)

  def widen(self, x: Tensor) -> Tensor:
    return x.to(6)

  def rounded(self, all: List[Tensor]) -> List[Tensor]:
    # the second row of each as half precision holds it
    out = annotate(List[Tensor], [])
    for x in all:
      out.append(torch.cat([x[:1], x[1:].to(self.dtype).to(x.dtype)]))
    return out
