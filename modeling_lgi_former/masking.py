"""Masks for pre-training: part-window tube masking, as in the published code (paper section 3.1)."""

import torch
from einops import rearrange

from ..configuration import LGIFormerConfig


class RegionTubeMasking:
    """Draws masks with the same number of visible tokens in every region.

    Each window (height x width of a region) of a frame has `int(config.mask_ratio * window)` masked tokens. They are
    random, but the same at all times.

    Args:
        config: The configuration of the model.
        symmetry: `"global"` or `"local"` shows tokens only in the left or the right half of each window. The half is
            drawn once for a clip (`"global"`) or for each window (`"local"`). The default is no such limit.

    Raises:
        ValueError: If no token would be masked, if `symmetry` is unknown, or if half a window is too small for the
            visible tokens.

    Example:

    ```python
    >>> from lgi_former import LGIFormerConfig, RegionTubeMasking

    >>> masking = RegionTubeMasking(LGIFormerConfig())
    >>> bool_masked_pos = masking(batch_size=2)
    >>> bool_masked_pos.shape, bool_masked_pos.float().mean().item()
    (torch.Size([2, 800]), 0.8999999761581421)

    ```
    """

    def __init__(self, config: LGIFormerConfig, symmetry: str | None = None):
        _, self.window_height, self.window_width = config.region_size
        self.time, self.height, self.width = config.token_grid
        window = self.window_height * self.window_width
        num_masked = int(config.mask_ratio * window)
        self.num_visible = window - num_masked
        self.symmetry = symmetry
        if num_masked == 0:
            raise ValueError(
                f"mask_ratio={config.mask_ratio} masks none of the {window} tokens of a window "
                f"({self.window_height} x {self.window_width}). Use at least {1 / window:.3g}, or larger regions."
            )
        if symmetry not in (None, "global", "local"):
            raise ValueError(f"symmetry={symmetry!r} is not one of None, 'global', 'local'.")
        if symmetry is not None and (self.window_width % 2 or 2 * self.num_visible > window):
            raise ValueError(
                f"symmetry={symmetry!r} needs windows of even width with at most half of the tokens visible, but "
                f"{self.num_visible} of the {self.window_height} x {self.window_width} tokens of a window are visible."
            )

    def __call__(
        self, batch_size: int, *, generator: torch.Generator | None = None, device: torch.device | str | None = None
    ) -> torch.Tensor:
        """Draw masks: bool (batch_size, tokens) in the order time, row, column. True = masked.

        `device` is the device of the result. The default is the generator's device, or else torch's default device.
        """
        target, device = device, device if generator is None else generator.device
        rows, columns = self.height // self.window_height, self.width // self.window_width
        shape = (batch_size, rows, columns, self.window_height * self.window_width)
        priority = torch.rand(shape, generator=generator, device=device)
        if self.symmetry is not None:
            priority = priority + self._hidden_half(batch_size, rows, columns, generator, device)
        # Not a comparison with a quantile of the priorities, because ties would change the count.
        visible = priority.argsort(dim=-1)[..., : self.num_visible]
        masked = torch.ones(shape, dtype=torch.bool, device=device).scatter_(-1, visible, False)
        frame = rearrange(masked, "b nh nw (h w) -> b (nh h nw w)", h=self.window_height)
        return frame.repeat(1, self.time).to(target or device)

    def _hidden_half(self, batch_size, rows, columns, generator, device) -> torch.Tensor:
        """1 for tokens of the masked half, else 0: (batch, rows, columns, tokens of a window)."""
        coins = (1, 1) if self.symmetry == "global" else (rows, columns)
        hide_right = torch.randint(2, (batch_size, *coins, 1), generator=generator, device=device)
        column = torch.arange(self.window_height * self.window_width, device=device) % self.window_width
        return (column >= self.window_width // 2).eq(hide_right).float()
