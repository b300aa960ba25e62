  # What stands between an MLP's maps; self.hidden_act is its name.

  def activation(self, x: Tensor) -> Tensor:
    if self.hidden_act == "silu":
      y = torch.silu(x)
    elif self.hidden_act == "relu":
      y = torch.relu(x)
    elif self.hidden_act == "gelu":
      y = torch.gelu(x)
    else:
      y = torch.gelu(x, approximate="tanh")
    return y
