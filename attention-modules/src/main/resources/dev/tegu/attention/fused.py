  # The layer outside of autograd, around kernels that autograd knows nothing of. Letters as in layer.py.
  #
  # Inputs come in two dictionaries: `wanted` holds what gradients are asked of, `fixed` the rest; q, k
  # and v are in one of them like everything of `p`.

  def with_leaves(self, fixed: Dict[str, Tensor], wanted: Dict[str, Tensor]) -> Dict[str, Tensor]:
    # both as one, cut off from what recorded them; gradients end at those wanted
    p = annotate(Dict[str, Tensor], {})
    for name in fixed.keys():
      p[name] = fixed[name].detach()
    for name in wanted.keys():
      p[name] = wanted[name].detach().requires_grad_(True)
    return p

  def leaves(self, p: Dict[str, Tensor], wanted: Dict[str, Tensor]) -> List[Tensor]:
    # those wanted, by name
    found = annotate(List[Tensor], [])
    for name in torch.sorted(list(wanted.keys())):
      found.append(p[name])
    return found

  def whole(self, q: Tensor, k: Tensor, v: Tensor, p: Dict[str, Tensor]) -> Tensor:
    # `chunked` from the empty state, its output alone
    names = ["window_k", "window_v", "window_k_linear", "window_g", "first_k", "first_v", "kv_state", "k_sum", "seen", "document"]
    empty = self.empty_state(q, k, v)
    state = annotate(Dict[str, Tensor], {})
    for i in range(len(names)):
      state[names[i]] = empty[i]
    return self.chunked(q, k, v, p, state)[0]

  def whole_gradients(self, dy: Tensor, fixed: Dict[str, Tensor], wanted: Dict[str, Tensor]) -> List[Tensor]:
    # gradients of `whole`, which is computed once more, by everything wanted, by name
    p = self.with_leaves(fixed, wanted)
    y = self.whole(p["q"], p["k"], p["v"], p)
    return self.gradients([y], [dy], self.leaves(p, wanted))

  def fused_inputs(self, q_in: Tensor, k_in: Tensor, v_in: Tensor, p: Dict[str, Tensor]) -> List[Tensor]:
    # what a kernel computes the layer from, contiguous, empty where the layer has no such thing:
    # zq, zk [B, H, T, P] before the softmax of the feature map, float32; qw [B, H, T, D] and
    # kw [B, K, T, D] of the window and v [B, K, T, D], in the type of v; the log-gate g [B, H, T],
    # the window's weight [H], 1 where nothing weighs it, and the sinks [H, m], float32
    q = self.wide(q_in)
    k = self.wide(k_in)
    none = torch.zeros([0], dtype=q.dtype, device=q.device)
    qw, kw, ql, kl = self.branch_inputs(q, k, p)
    zq = none
    zk = none
    if self.linear:
      zq = self.wide(self.project(ql, "q", p))
      zk = self.wide(self.project(kl, "k", p))
    if self.window_size == 0:
      qw = none
      kw = none
    g = none
    if self.gated:
      g = self.log_gate(k, p).expand([q.size(0), q.size(1), q.size(2)])
    mix = none
    if "window_factor" in p:
      mix = torch.sigmoid(p["window_factor"])
    elif "alpha" in p:
      mix = p["alpha"]
    elif self.window_size > 0:
      mix = torch.ones([self.num_heads], dtype=q.dtype, device=q.device)
    sinks = none
    if "sinks" in p:
      sinks = p["sinks"]
    qw = qw.to(v_in.dtype)
    kw = kw.to(v_in.dtype)
    return [zq.contiguous(), zk.contiguous(), qw.contiguous(), kw.contiguous(), v_in.contiguous(), g.contiguous(), mix.contiguous(), sinks.contiguous()]

  def fused_leaves(self, dy: Tensor, fixed: Dict[str, Tensor], wanted: Dict[str, Tensor]) -> List[Tensor]:
    # dy, contiguous; the eight of `fused_inputs`, recorded; then the leaves they were recorded from,
    # by name
    p = self.with_leaves(fixed, wanted)
    found = [dy.contiguous()]
    found.extend(self.fused_inputs(p["q"], p["k"], p["v"], p))
    found.extend(self.leaves(p, wanted))
    return found

  def fused_gradients(self, outputs: List[Tensor], given: List[Tensor], leaves: List[Tensor]) -> List[Tensor]:
    # of the leaves, from what `fused_leaves` recorded and the kernel's gradients of it: those of kw
    # and v [B, H, T, D] for each query head, of mix and sinks for each row of the batch
    sums = annotate(List[Tensor], [])
    for i in range(len(given)):
      d = given[i]
      if d.numel() > 0:
        if i == 3 or i == 4:
          K = outputs[i].size(1)
          if K < d.size(1):
            # half precision is summed in float32
            d = d.reshape([d.size(0), K, d.size(1) // K, d.size(2), d.size(3)]).sum([2])
        elif i > 5:
          d = d.sum([0])
      sums.append(d)
    return self.gradients(outputs, sums, leaves)
