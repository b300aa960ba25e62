  # Rows of different lengths, padding and documents: which tokens stand where, and how far each sees.
  # Letters as in layer.py.

  def pad_rows(self, x: Tensor, rows: int) -> Tensor:
    # zeros after the last row of the second last dimension
    y = x
    if rows > x.size(-2):
      y = torch.constant_pad_nd(x, [0, 0, 0, rows - x.size(-2)], 0)
    return y

  def first_rows(self, x: Tensor, rows: int) -> Tensor:
    # the opposite; a slice of all rows would cost a copy in the backward pass
    y = x
    if rows < x.size(-2):
      y = x[..., :rows, :]
    return y

  def pick(self, x: Tensor, index: Tensor) -> Tensor:
    # rows of [B, Z, T, ...] by index [B, L], each batch row its own
    i = index.unsqueeze(1)
    if x.dim() == 4:
      i = i.unsqueeze(3).expand([x.size(0), x.size(1), index.size(1), x.size(3)])
    else:
      i = i.expand([x.size(0), x.size(1), index.size(1)])
    return torch.gather(x, 2, i)

  def join(self, before: Tensor, new: Tensor, lead: Optional[Tensor]) -> Tensor:
    # what the state kept [B, Z, R, ..] in front of new tokens [B, Z, T, ..] whose first lead [B, 1]
    # are padding: the kept ones are moved up to the first real one
    y = torch.cat([before, new], 2)
    if lead is not None:
      R = before.size(2)
      column = torch.arange(y.size(2), device=y.device).unsqueeze(0)
      index = torch.where(column >= R + lead, column, torch.clamp(column - lead, 0))
      y = self.pick(y, index)
    return y

  def starts(self, seen: Tensor, lead: Tensor, document: Tensor, before: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    # for each token [B, T] the column, counted from the first new one, where its text begins
    # (negative: before), the column after its text's end, and the tokens' documents
    T = document.size(1)
    column = torch.arange(T, device=seen.device).unsqueeze(0)
    document = torch.where(column < lead, before.unsqueeze(1), document)
    previous = torch.cat([before.unsqueeze(1), document[:, :T - 1]], 1)
    change = document != previous
    latest, _i = torch.cummax(torch.where(change, column, -1), 1)
    start = torch.where(latest >= 0, latest, lead - seen.unsqueeze(1))
    later = torch.constant_pad_nd(torch.where(change, column, T)[:, 1:], [0, 1], T)
    end, _j = torch.cummin(later.flip([1]), 1)
    return (start, end.flip([1]), document)

  def spans(self, pos: Tensor, length: Tensor) -> Tensor:
    # how many tokens, itself included, a token of each position [B, T] has in its window; fewer
    # when its text has not that many yet. length [B, T]: of its text
    W = self.window_size
    if self.terrace:
      at = pos
      if self.anchor != "start":
        at = pos - length
      span = torch.remainder(at, W) + (W + 1)
    else:
      span = torch.full_like(pos, W)
    return span
