"""What the code in a model directory uses instead of einops: its `rearrange`, with PyTorch alone.

Whoever loads a model without this package should not need einops either: Transformers refuses code of a model
repository whose imports are not installed. The package itself uses einops; `flat_code.py` exchanges the import.
(`functorch.einops.rearrange`, which PyTorch brings, takes a pattern with `...` for one of too many axes.)
"""

import math

import torch


def rearrange(tensor: torch.Tensor, pattern: str, **sizes: int) -> torch.Tensor:
    """As `einops.rearrange`, of a single tensor.

    Raises:
        ValueError: If the sides of the pattern name different axes, or the tensor does not fit it.
    """
    left, right = (_groups(side) for side in pattern.split("->"))
    if sorted(_names(left)) != sorted(_names(right)):
        raise ValueError(f"The sides of {pattern!r} name different axes.")
    if ["..."] in left:
        rest = [[f".{index}"] for index in range(tensor.ndim - len(left) + 1)]
        left, right = _without_ellipsis(left, rest), _without_ellipsis(right, rest)
    if tensor.ndim != len(left):
        raise ValueError(f"{pattern!r} is for {len(left)} dimensions, but there are {tensor.ndim}.")
    sizes = dict(sizes)
    for group, length in zip(left, tensor.shape, strict=True):
        _complete(sizes, group, length, pattern)
    names, target = _names(left), _names(right)
    split = tensor.reshape([sizes[name] for name in names])
    ordered = split.permute([names.index(name) for name in target])
    return ordered.reshape([math.prod([sizes[name] for name in group]) for group in right])


def _groups(side: str) -> list[list[str]]:
    """`"b (h d) 1"` as `[["b"], ["h", "d"], []]`; an axis of length 1 is a group of none."""
    groups, is_open = [], False
    for word in side.split():
        if not is_open:
            groups.append([])
        is_open = (is_open or word.startswith("(")) and not word.endswith(")")
        name = word.strip("()")
        if name != "1":
            groups[-1].append(name)
    return groups


def _names(groups: list[list[str]]) -> list[str]:
    return [name for group in groups for name in group]


def _without_ellipsis(groups: list[list[str]], rest: list[list[str]]) -> list[list[str]]:
    place = groups.index(["..."])
    return groups[:place] + rest + groups[place + 1 :]


def _complete(sizes: dict[str, int], group: list[str], length: int, pattern: str):
    """Add the one size of a group that is not given, and check them against the tensor's."""
    known = math.prod([sizes[name] for name in group if name in sizes])
    unknown = [name for name in group if name not in sizes]
    if len(unknown) > 1 or length % known or (not unknown and known != length):
        raise ValueError(f"A dimension of {length} does not divide into ({' '.join(group)}) of {pattern!r}.")
    if unknown:
        sizes[unknown[0]] = length // known
