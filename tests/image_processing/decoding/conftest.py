import numpy as np
import pytest

from lgi_former.image_processing import every_frame, open_frames, read_video


@pytest.fixture(scope="session")
def read_both():
    """`read_both(path)`: all frames of a video, which `read_video` and `open_frames` must return alike."""

    def read(path):
        (frames,), metadata = read_video(path, every_frame)
        assert (metadata.height, metadata.width) == frames.shape[1:3]
        with open_frames(path) as stream:
            streamed = list(stream)
        assert [frame.index for frame in streamed] == list(range(len(frames)))
        assert (np.stack([frame.image for frame in streamed]) == frames).all()
        return frames

    return read
