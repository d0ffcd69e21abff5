"""Draws the attention of a layer, over frames and between regions."""

import matplotlib
import numpy as np
import torch
from einops import rearrange
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch.nn import functional as F

from .attention import ClipAttention
from .frames import ROOM_FOR_NAMES, FrameRows, Row, spread
from .style import COLOURS


MOST_FRAMES = 8
OPACITY = 0.6
HEAT = "magma"
BRIGHTEST = 0.995  # quantile, because one bright token must not make all others dark
TITLE_HEIGHT, MATRIX_SIDE, ROOM_BELOW_ROWS, ROOM_BESIDE_MATRIX = 0.3, 2.4, 0.75, 2.2  # inches
MOST_NUMBERS = 6  # frames with more regions get no numbers


def draw_attention(attention: ClipAttention) -> Figure:
    """Draw attention over frames and as matrices.

    The rows of frames show attention of representative tokens in their regions (S1), relative to uniform attention,
    and the region that each local token reads most (S3). Each region has its own colour. The matrices show how much
    the tokens of a region read each representative token (S2, S3).
    """
    shown = spread(len(attention.frames), MOST_FRAMES)
    rows = FrameRows(_rows(attention, shown))
    matrices = _matrices(attention)
    width = max(rows.width, _left_of_matrix(len(matrices)) - ROOM_BESIDE_MATRIX / 2)
    height = TITLE_HEIGHT + rows.height + (MATRIX_SIDE + ROOM_BELOW_ROWS if matrices else 0)
    figure = Figure(figsize=(width, height))
    figure.text(0.5, 1 - TITLE_HEIGHT / 2 / height, f"layer {attention.layer}", ha="center", va="center")
    axes_of_regions, *_ = rows.draw(figure, top=TITLE_HEIGHT)
    _number_regions(axes_of_regions, attention.regions[shown], rows.left_edges, attention.frames.shape[-1])
    for index, (readers, matrix) in enumerate(matrices.items()):
        left, bottom, side = _left_of_matrix(index), 0.55, MATRIX_SIDE
        axes, bar = (
            figure.add_axes((x / width, bottom / height, w / width, side / height))
            for x, w in ((left, side), (left + side + 0.12, 0.13))
        )
        _draw_matrix(axes, bar, readers, matrix)
    return figure


def _left_of_matrix(index: int) -> float:
    return ROOM_FOR_NAMES + index * (MATRIX_SIDE + ROOM_BESIDE_MATRIX)


def _rows(attention: ClipAttention, shown: list[int]) -> list[Row]:
    frames, regions = attention.frames[shown], attention.regions[shown]
    num_regions = int(attention.regions.max()) + 1
    colours = _colours_of_regions(num_regions)
    numbers = [str(time * attention.tubelet_size) for time in shown]
    rows = [Row("frames\nand regions", _tint(frames, colours[regions]), numbers)]

    times_even = (attention.intra_region * (attention.intra_region.numel() / num_regions))[shown]
    brightest = np.quantile(times_even.numpy(), BRIGHTEST)
    heat = torch.tensor(matplotlib.colormaps[HEAT]((times_even / brightest).clip(max=1).numpy()))[..., :3].float()
    name = f"S1: read by\nrepresentatives\n(dark 0, bright\n{brightest:.2g} \N{MULTIPLICATION SIGN} even)"
    rows.append(Row(name, _tint(frames, heat)))
    if attention.local_global is not None and num_regions > 1:
        most_read = attention.local_global[shown].argmax(dim=-1)
        rows.append(Row("S3: region\nmost read by\nlocal tokens", _tint(frames, colours[most_read])))
    return rows


def _matrices(attention: ClipAttention) -> dict[str, torch.Tensor]:
    """Attention of the tokens of each region (row) to each representative token (column), by title."""
    matrices = {}
    if int(attention.regions.max()) == 0:
        return matrices
    if attention.inter_region is not None:
        matrices["S2: representative token of region"] = attention.inter_region
    if attention.local_global is not None:
        by_region = rearrange(attention.local_global, "t h w r -> (t h w) r")
        region = attention.regions.flatten()
        means = [by_region[region == index].mean(dim=0) for index in range(by_region.shape[1])]
        matrices["S3: local tokens of region"] = torch.stack(means)
    return matrices


def _number_regions(axes: Axes, regions: torch.Tensor, left_edges: list[int], frame_width: int):
    """Write the numbers of the regions into frames with few regions."""
    patch = frame_width / regions.shape[-1]
    for start, in_frame in zip(left_edges, regions, strict=True):
        numbers = in_frame.unique().tolist()
        for number in numbers if len(numbers) <= MOST_NUMBERS else ():
            row, column = ((in_frame == number).nonzero().float().mean(dim=0) + 0.5).mul(patch).sub(0.5).tolist()
            axes.text(start + column, row, number, ha="center", va="center", color="white", fontweight="bold")


def _draw_matrix(axes: Axes, bar: Axes, readers: str, matrix: torch.Tensor):
    image = axes.imshow(matrix.numpy(), cmap="cividis", vmin=0)
    axes.set(xlabel="reads representative token of region", ylabel=readers)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8 if len(matrix) < 100 else 4, integer=True))
    axes.figure.colorbar(image, cax=bar, label="attention")


def _colours_of_regions(number: int) -> torch.Tensor:
    """RGB of each region. Many regions get a colour map instead of distinct colours."""
    if number <= len(COLOURS):
        return torch.tensor([to_rgb(colour) for colour in COLOURS[:number]])
    return torch.tensor(matplotlib.colormaps["viridis"](torch.linspace(0, 1, number).numpy()))[:, :3].float()


def _tint(frames: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Lay colours of tokens (times, rows, columns, 3) over grey frames (times, 3, height, width)."""
    grey = frames.mean(dim=1, keepdim=True)
    colours = F.interpolate(rearrange(colours, "t h w c -> t c h w"), size=frames.shape[-2:], mode="nearest")
    return (1 - OPACITY) * grey + OPACITY * colours
