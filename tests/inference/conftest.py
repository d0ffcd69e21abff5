import numpy as np
import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor


TINY = {
    "image_size": 32,
    "num_frames": 4,
    "region_size": (1, 1, 2),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "classifier_init_scale": 1.0,  # so that logits differ visibly from clip to clip
    "id2label": {0: "happy", 1: "sad", 2: "neutral"},
}


@pytest.fixture(scope="session")
def tiny_classifier():
    """`tiny_classifier(**fields)`: a small model with random weights that takes clips of 4 frames of 32 pixels."""

    def make(**fields):
        torch.manual_seed(0)
        return LGIFormerForVideoClassification(LGIFormerConfig(**{**TINY, **fields})).eval()

    return make


@pytest.fixture(scope="session")
def tiny_processor():
    """`tiny_processor(**settings)`: the processor of `tiny_classifier`; a clip is 16 frames of the video."""

    def make(**settings):
        return LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4, **settings)

    return make


@pytest.fixture(scope="session")
def people_video():
    """`people_video({left edge: (first frame, last frame)}, count)`: frames with a bright square for each person.

    uint8 (count, 80, 240, 3); squares have 40 pixels, begin 20 pixels from the top and flicker over time.
    """

    def make(people, count=100):
        frames = np.full((count, 80, 240, 3), 20, np.uint8)
        for left, (first, last) in people.items():
            for index in range(first, last + 1):
                frames[index, 20:60, left : left + 40] = 160 + (37 * index + left) % 90
        return frames

    return make


class SquareDetector:
    """Finds the squares of `people_video`, which begin at multiples of 80 pixels."""

    def __init__(self):
        self.num_pictures = 0

    def __call__(self, image):
        self.num_pictures += 1
        lefts = [left for left in range(0, 240, 80) if image[40, left + 20, 0] > 100]
        return np.array([[left, 20, left + 40, 60, 0.9] for left in lefts], dtype=np.float32).reshape(-1, 5)


@pytest.fixture
def square_detector():
    """A detector that finds the people of `people_video`."""
    return SquareDetector()
