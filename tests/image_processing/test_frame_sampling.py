import json
from pathlib import Path

import numpy as np
import pytest

from lgi_former.image_processing import evaluation_frame_indices


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "frame_indices.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["evaluation_frame_indices"], ids=lambda case: f"{case['total_frames']} frames")
def test_indices_are_the_published_ones(case):
    settings = {name: value for name, value in case.items() if name != "indices"}
    assert evaluation_frame_indices(**settings).tolist() == case["indices"]


def test_one_segment_is_centred():
    # 9 of the 25 sampled frames are not in the clip: 4 before it and 5 after it.
    assert evaluation_frame_indices(100, num_frames=16, sampling_rate=4).tolist() == [list(range(16, 80, 4))]


def test_short_video_repeats_its_last_sampled_frame():
    assert evaluation_frame_indices(10, num_frames=6, sampling_rate=4).tolist() == [[0, 4, 8, 8, 8, 8]]


def test_segments_are_spread_from_the_first_to_the_last_window():
    indices = evaluation_frame_indices(40, num_frames=16, sampling_rate=1, num_segments=4)
    assert indices.dtype == np.int64
    assert indices[:, 0].tolist() == [0, 8, 16, 24]
    assert (indices - indices[:, :1] == np.arange(16)).all()


def test_no_frames_is_an_error():
    with pytest.raises(ValueError, match="at least one frame"):
        evaluation_frame_indices(0, num_frames=16, sampling_rate=4)
