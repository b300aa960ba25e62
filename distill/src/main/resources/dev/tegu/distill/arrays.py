  # Small things that stages do with arrays.

  def copy(self, source: Tensor, target: Tensor) -> Tensor:
    # changes target in place, keeping its memory
    target.copy_(source)
    return source

  def zero(self, arrays: List[Tensor]) -> Tensor:
    torch._foreach_zero_(arrays)
    return arrays[0]

  def stack(self, arrays: List[Tensor]) -> Tensor:
    return torch.stack(arrays)

  def moved(self, like: Tensor, x: Tensor) -> List[Tensor]:
    # int32 [N, ..] on the CPU -> N arrays of int64 where `like` is; what a GPU is at goes on meanwhile
    if like.is_cuda:
      x = x.pin_memory().to(like.device, 3, True)
    return torch.unbind(x.to(4), 0)
