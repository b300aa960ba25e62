  # Gradients inside of a script, from given ones of several results at once.

  def reached_gradients(self, outputs: List[Tensor], given: List[Tensor], leaves: List[Tensor]) -> List[Optional[Tensor]]:
    # of the leaves, from the gradients given of the outputs (empty: none); none where no output
    # depends on a leaf
    ys = annotate(List[Tensor], [])
    gs = annotate(List[Optional[Tensor]], [])
    for i in range(len(outputs)):
      if outputs[i].requires_grad and given[i].numel() > 0:
        ys.append(outputs[i])
        gs.append(given[i].to(outputs[i].dtype).reshape(outputs[i].size()))
    found = annotate(List[Optional[Tensor]], [])
    if len(ys) > 0:
      found = torch.grad(ys, leaves, gs, None, False, True)
    else:
      for leaf in leaves:
        found.append(None)
    return found

  def or_zeros(self, found: List[Optional[Tensor]], leaves: List[Tensor]) -> List[Tensor]:
    # the first of them, one a leaf, 0 for none
    results = annotate(List[Tensor], [])
    for i in range(len(leaves)):
      gradient = found[i]
      if gradient is not None:
        results.append(gradient)
      else:
        results.append(torch.zeros_like(leaves[i]))
    return results

  def gradients(self, outputs: List[Tensor], given: List[Tensor], leaves: List[Tensor]) -> List[Tensor]:
    # the same with 0 for none
    return self.or_zeros(self.reached_gradients(outputs, given, leaves), leaves)
