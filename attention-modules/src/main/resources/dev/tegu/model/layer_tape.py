  # Parts of a layer whose way back is kept or computed anew, outside of Java's gradient collector.
  # Letters as in decoder.py. A part begins at leaves, which it gives back beside its results.

  def before_attention(self, h: Tensor, w: Dict[str, Tensor]) -> List[Tensor]:
    # x, q, k, v as of `projections`, then the leaf
    leaf = h.detach().requires_grad_(True)
    results = self.projections(leaf, w)
    results.append(leaf)
    return results

  def after_attention(self, h: Tensor, a: Tensor, w: Dict[str, Tensor]) -> List[Tensor]:
    # the residual stream after the layer, once more without its tape, then the leaves
    leaf = h.detach().requires_grad_(True)
    attended = a.detach().requires_grad_(True)
    after = self.finish(leaf, attended, w)
    return [after, after.detach(), leaf, attended]

  def softmax_tape(self, h: Tensor, w: Dict[str, Tensor], p: Dict[str, Tensor]) -> List[Tensor]:
    # the whole layer: after it, once more without its tape, then the leaf
    leaf = h.detach().requires_grad_(True)
    after = self.softmax_layer(leaf, w, p)
    return [after, after.detach(), leaf]

  def tape_back(self, outputs: List[Tensor], given: List[Tensor], leaves: List[Tensor], trained: List[Tensor], sums: List[Tensor]) -> List[Tensor]:
    # from the gradients given of the outputs: those of the leaves; those of what is trained are added
    # to its sums
    xs = annotate(List[Tensor], [])
    for leaf in leaves:
      xs.append(leaf)
    at = annotate(List[int], [])
    for i in range(len(trained)):
      if trained[i].requires_grad:
        xs.append(trained[i])
        at.append(i)
    found = self.reached_gradients(outputs, given, xs)
    for i in range(len(at)):
      gradient = found[len(leaves) + i]
      if gradient is not None:
        sums[at[i]].add_(gradient)
    return self.or_zeros(found, leaves)

  def add_all(self, sums: List[Tensor], found: List[Tensor]) -> Tensor:
    # in place
    for i in range(len(sums)):
      sums[i].add_(found[i])
    return sums[0]
