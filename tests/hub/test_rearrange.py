"""`rearrange` of the code in model directories does what einops does, for every pattern of that code."""

import ast
import itertools
import re

import einops
import pytest
import torch

from lgi_former import hub
from lgi_former.hub.rearrange import rearrange


def _patterns():
    for source in hub.all_flat_code().values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "rearrange":
                yield node.args[1].value


PATTERNS = sorted(set(_patterns()))


def test_patterns_were_found():
    assert len(PATTERNS) > 15 and any("..." in pattern for pattern in PATTERNS)


@pytest.mark.parametrize("pattern", [*PATTERNS, "a b -> (b a)", "... a -> a ...", "(a b) ... c -> ... (c b) a"])
def test_every_pattern_gives_what_einops_gives(pattern):
    left = pattern.split("->")[0]
    names = sorted(set(re.findall(r"[a-z]+", pattern)))
    lengths = dict(zip(names, itertools.cycle([2, 3, 4]), strict=False))
    groups = [re.findall(r"[a-z]+", group) for group in re.findall(r"\([^)]*\)|[a-z]+|1", left.replace("...", ""))]
    shape = [torch.tensor([lengths[name] for name in group]).prod().item() if group else 1 for group in groups]
    in_groups = [group for group in groups if len(group) > 1]
    all_sizes = {name: lengths[name] for group in in_groups for name in group}
    one_left_out = {name: size for name, size in all_sizes.items() if name not in [group[0] for group in in_groups]}
    if "..." in pattern:
        place = len(re.findall(r"\([^)]*\)|[a-z]+|1", left.split("...")[0]))
        shapes = [shape[:place] + rest + shape[place:] for rest in ([], [5], [5, 2])]
    else:
        shapes = [shape]
    for shape, sizes in itertools.product(shapes, (all_sizes, one_left_out)):
        tensor = torch.randn(shape)
        expected = einops.rearrange(tensor, pattern, **sizes)
        found = rearrange(tensor, pattern, **sizes)
        assert torch.equal(found, expected) and found.stride() == expected.stride()


@pytest.mark.parametrize(
    ("pattern", "sizes", "message"),
    [
        ("a b -> a", {}, "different axes"),
        ("a b c -> c b a", {}, "is for 3 dimensions, but there are 2"),
        ("a (b c) -> a b c", {}, "does not divide into (b c)"),
        ("a (b c) -> a b c", {"b": 4}, "A dimension of 6 does not divide"),
        ("a (b c) -> a b c", {"b": 2, "c": 2}, "A dimension of 6 does not divide"),
    ],
)
def test_what_does_not_fit_is_refused(pattern, sizes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rearrange(torch.zeros(4, 6), pattern, **sizes)
    with pytest.raises(einops.EinopsError):
        einops.rearrange(torch.zeros(4, 6), pattern, **sizes)


def test_it_compiles_whole_and_exports_with_any_batch():
    class Split(torch.nn.Module):
        def forward(self, clips):
            return rearrange(clips, "b (t n) ... -> b t n ...", t=2)

    clips = torch.randn(2, 6, 5)
    assert torch.compile(Split(), fullgraph=True, backend="eager")(clips).shape == (2, 2, 3, 5)
    exported = torch.export.export(Split(), (clips,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert exported.module()(torch.randn(7, 6, 5)).shape == (7, 2, 3, 5)
