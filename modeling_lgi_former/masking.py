"""Masks of pre-training: the part-window tube masking of the published code (paper section 3.1)."""

import torch
from einops import rearrange

from ..configuration import LGIFormerConfig


class RegionTubeMasking:
    """Draws masks that keep equally many visible tokens in every region.

    In each window (height x width of a region) of a frame `int(config.mask_ratio * window)` tokens are masked at
    random, and the same tokens at all times.

    Args:
        config: the model's configuration.
        symmetry: `None`; or `"global"` / `"local"`: visible tokens lie on one half (left or right, of a face) of each
            window only, the half drawn once a clip or once a window.

    Raises:
        ValueError: If no token would be masked, `symmetry` is unknown, or half a window has not room for the visible
            tokens.

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
                f"({self.window_height} x {self.window_width}); use one from {1 / window:.3g} on, or larger regions."
            )
        if symmetry not in (None, "global", "local"):
            raise ValueError(f"symmetry={symmetry!r} is not one of None, 'global', 'local'.")
        if symmetry is not None and (self.window_width % 2 or 2 * self.num_visible > window):
            raise ValueError(
                f"symmetry={symmetry!r} needs windows of even width whose half has room for the visible tokens, but "
                f"{self.num_visible} of the {self.window_height} x {self.window_width} tokens of a window are visible."
            )

    def __call__(
        self, batch_size: int, *, generator: torch.Generator | None = None, device: torch.device | str | None = None
    ) -> torch.Tensor:
        """Draw masks: bool (batch_size, tokens) in the order time, row, column, True = masked.

        They come on `device`, by default the generator's or else torch's default device.
        """
        target, device = device, device if generator is None else generator.device
        rows, columns = self.height // self.window_height, self.width // self.window_width
        shape = (batch_size, rows, columns, self.window_height * self.window_width)
        priority = torch.rand(shape, generator=generator, device=device)
        if self.symmetry is not None:
            priority = priority + self._hidden_half(batch_size, rows, columns, generator, device)
        # Indices of random priorities, not a comparison with their quantile: ties must not change the count.
        visible = priority.argsort(dim=-1)[..., : self.num_visible]
        masked = torch.ones(shape, dtype=torch.bool, device=device).scatter_(-1, visible, False)
        frame = rearrange(masked, "b nh nw (h w) -> b (nh h nw w)", h=self.window_height)
        return frame.repeat(1, self.time).to(target or device)

    def _hidden_half(self, batch_size, rows, columns, generator, device) -> torch.Tensor:
        """1 for tokens of the half that stays masked, else 0: (batch, rows, columns, tokens of a window)."""
        coins = (1, 1) if self.symmetry == "global" else (rows, columns)
        hide_right = torch.randint(2, (batch_size, *coins, 1), generator=generator, device=device)
        column = torch.arange(self.window_height * self.window_width, device=device) % self.window_width
        return (column >= self.window_width // 2).eq(hide_right).float()
