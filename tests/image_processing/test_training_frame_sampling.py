import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lgi_former.image_processing.training_frame_sampling import (
    finetuning_frame_indices,
    pretraining_frame_indices,
    spread_over_short_video,
    spread_over_window,
    step_from,
)


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "training_frame_indices.json").read_text())
SAMPLERS = [finetuning_frame_indices, pretraining_frame_indices]


def _case_name(case: dict) -> str:
    return "-".join(f"{value}" for name, value in case.items() if name != "indices")


@pytest.mark.parametrize("case", GOLDEN["finetuning_frame_indices"], ids=_case_name)
def test_finetuning_takes_the_published_frames(case):
    if case["window_end"] is None:
        # Nothing is random for short videos, so the public function can be compared.
        assert case["total_frames"] <= case["num_frames"] * case["sampling_rate"]
        indices = finetuning_frame_indices(
            case["total_frames"], case["num_frames"], case["sampling_rate"], torch.Generator()
        )
    else:
        indices = spread_over_window(case["window_end"], case["num_frames"], case["sampling_rate"])
    assert indices.dtype == np.int64 and indices.tolist() == case["indices"]


@pytest.mark.parametrize("case", GOLDEN["pretraining_frame_indices"], ids=_case_name)
def test_pretraining_takes_the_published_frames(case):
    indices = step_from(case["start"], case["total_frames"], case["num_frames"], case["sampling_rate"])
    assert indices.dtype == np.int64 and indices.tolist() == case["indices"]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("num_frames", "sampling_rate"), [(16, 4), (8, 1), (5, 3)])
def test_indices_ascend_within_the_video(sampler, num_frames, sampling_rate):
    generator = torch.Generator().manual_seed(0)
    for total_frames in range(1, 2 * num_frames * sampling_rate + 2):
        indices = sampler(total_frames, num_frames, sampling_rate, generator)
        assert indices.shape == (num_frames,) and indices.dtype == np.int64
        assert indices[0] >= 0 and indices[-1] < total_frames and (np.diff(indices) >= 0).all()


def test_finetuning_windows_never_contain_the_last_frame():
    generator = torch.Generator().manual_seed(0)
    clips = {tuple(finetuning_frame_indices(12, 4, 2, generator)) for _ in range(300)}
    assert clips == {tuple(spread_over_window(end, 4, 2)) for end in (8, 9, 10, 11)}


def test_pretraining_starts_at_every_possible_frame():
    generator = torch.Generator().manual_seed(0)
    clips = {tuple(pretraining_frame_indices(11, 4, 2, generator)) for _ in range(300)}
    assert clips == {(0, 2, 4, 6), (1, 3, 5, 7), (2, 4, 6, 8), (3, 5, 7, 9)}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_repeats_a_clip(sampler):
    first, again, other = (sampler(1000, 16, 4, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_video_without_frames_is_refused(sampler):
    with pytest.raises(ValueError, match="at least one frame, but this one has 0"):
        sampler(0, 16, 4, torch.Generator())


def test_a_short_video_is_spread_and_padded():
    assert spread_over_short_video(9, 8, 2).tolist() == [0, 3, 6, 8, 8, 8, 8, 8]
