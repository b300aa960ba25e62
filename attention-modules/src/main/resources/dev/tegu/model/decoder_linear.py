  # A decoder layer with linearized attention in one call; needs the attention's own methods beside
  # those of decoder.py.

  def linear_layer(self, h: Tensor, w: Dict[str, Tensor], p: Dict[str, Tensor]) -> Tensor:
    # residual stream [B, T, M] of whole texts -> after the layer; p as in layer.py, but x
    x, q, k, v = self.projections(h, w)
    p["x"] = x
    return self.finish(h, self.whole(q, k, v, p), w)

  def linear_tape(self, h: Tensor, w: Dict[str, Tensor], p: Dict[str, Tensor]) -> List[Tensor]:
    # as `softmax_tape`
    leaf = h.detach().requires_grad_(True)
    after = self.linear_layer(leaf, w, p)
    return [after, after.detach(), leaf]
