"""The drawn corpus of a quickstart: its parts as data sets."""

from pathlib import Path

import datasets
import torch

from ..data.annotations import load_annotations
from .drawn_faces import LABELS, Part, write_part
from .outcome import Plan


def draw_parts(plan: Plan, folder: Path, seed: int) -> dict[str, datasets.Dataset]:
    """Draw the corpus: its parts `unlabelled`, `labelled` and `test`. Parts that are already drawn are only listed."""
    # Other seeds give other people. No two parts have the same seed, within a run or between runs.
    sizes = {"unlabelled": plan.num_unlabelled, "labelled": plan.num_labelled, "test": plan.num_tested}
    return {
        name: draw_part(Part(folder / name, size, seed=len(sizes) * seed + index))
        for index, (name, size) in enumerate(sizes.items())
    }


def draw_part(part: Part) -> datasets.Dataset:
    """Draw a part of the corpus unless it is complete, and list its videos."""
    annotations = part.annotations if part.annotations.exists() else write_part(part, torch.get_num_threads())
    return load_annotations(annotations, label_names=list(LABELS))
