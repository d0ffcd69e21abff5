"""Masks for pre-training: part-window tube masking, as in the published code (paper section 3.1)."""

import torch
from einops import rearrange

from ..configuration import LGIFormerConfig


class RegionTubeMasking:
    """Draws masks with the same number of visible tokens in every region.

    Each window (height x width of a region) of a frame has `int(config.mask_ratio * window)` masked tokens. They are
    random, but the same at all times. With `config.decoder_mask_ratio`, `decoded` draws which of the masked tokens are
    reconstructed.

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
        self.config = config
        steps, self.window_height, self.window_width = config.region_size
        self.time, self.height, self.width = config.token_grid
        window = self.window_height * self.window_width
        num_masked = config.num_masked_of_region // steps
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

    def decoded(self, bool_masked_pos: torch.Tensor, *, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw which masked tokens the decoder reconstructs in training: equally many of each region, evenly spread.

        This is running cell masking (VideoMAE V2, https://arxiv.org/abs/2303.16727) for any share and for regions. The
        masked tubes of a window stand in a circle, where neighbours in space are far apart. The decoder takes an arc
        of the circle, which moves on by its own length at each time. So all tubes are reconstructed equally often, and
        all times have equally many tokens of a window. The numbers differ by 1 at most.

        Args:
            bool_masked_pos: Masks of this object, bool (batch, tokens).
            generator: Source of the draws. The default is the default generator of the masks' device.

        Returns:
            bool (batch, tokens) on the device of the masks. True = masked and reconstructed. Without a
            `decoder_mask_ratio`, these are all masked tokens.
        """
        target, device = bool_masked_pos.device, bool_masked_pos.device if generator is None else generator.device
        batch_size, num_places = bool_masked_pos.shape[0], self.config.num_masked_of_region
        time, row, column = (torch.arange(size, device=device) for size in (self.time, self.height, self.width))
        visible = ~bool_masked_pos[:, : self.height * self.width].to(device).view(-1, self.height, self.width)
        start = torch.randint(4, (batch_size, 1, 1), generator=generator, device=device)
        within = torch.rand(visible.shape, generator=generator, device=device)
        # Any 2 x 2 tokens have one place in each quarter of the circle. Visible tokens have none.
        place = (start + 3 * row[:, None] + 2 * column) % 4 + within + 4 * visible
        sizes = {"h": self.window_height, "w": self.window_width}
        place = rearrange(place, "b (nh h) (nw w) -> b nh nw (h w)", **sizes).argsort(dim=-1).argsort(dim=-1)
        place = rearrange(place, "b nh nw (h w) -> b 1 (nh h nw w)", nh=self.height // self.window_height, **sizes)
        # In whole numbers, so that each region has exactly as many tokens as the arc is long. Without the random turn,
        # an arc that is not a multiple of `steps` would take more tokens at the same times of all clips.
        arc, steps = self.config.num_decoded_of_region, self.config.region_size[0]
        turn = torch.randint(steps, (batch_size, 1, 1), generator=generator, device=device)
        decoded = (steps * place + turn - arc * time[:, None]) % num_places < arc
        return bool_masked_pos & decoded.flatten(1).to(target)

    def _hidden_half(self, batch_size, rows, columns, generator, device) -> torch.Tensor:
        """1 for tokens of the masked half, else 0: (batch, rows, columns, tokens of a window)."""
        coins = (1, 1) if self.symmetry == "global" else (rows, columns)
        hide_right = torch.randint(2, (batch_size, *coins, 1), generator=generator, device=device)
        column = torch.arange(self.window_height * self.window_width, device=device) % self.window_width
        return (column >= self.window_width // 2).eq(hide_right).float()
