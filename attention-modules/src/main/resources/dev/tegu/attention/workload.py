  # What a measurement of attention needs around it; self.dtype is the number of the model's type.

  def to_type(self, x: Tensor) -> Tensor:
    return x.to(self.dtype)

  def noise(self, x: Tensor) -> Tensor:
    # random numbers where the gradient of x would stand
    return torch.randn_like(x)

  def softmax(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    # causal softmax attention in one operator, as the teacher's is
    H = q.size(1)
    K = k.size(1)
    if H != K and not q.is_cuda:
      # on a CPU only heads of equal number go without the T x T matrix
      k = k.repeat_interleave(H // K, 1)
      v = v.repeat_interleave(H // K, 1)
      return torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=False)
    return torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=H != K)

  def number(self, x: Tensor) -> Tensor:
    # one number to read, which waits for all that was computed
    return x.reshape([-1])[:1].to(6)
