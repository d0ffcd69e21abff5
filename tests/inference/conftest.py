import numpy as np
import pytest
import torch

from lgi_former import (
    FacialExpressionPipeline,
    LGIFormerConfig,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
)
from lgi_former.image_processing import FaceCropper
from lgi_former.training.quickstart.sample_clip import write_sample_clip


TINY = {
    "image_size": 32,
    "num_frames": 4,
    "region_size": (1, 1, 2),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 1,
    "decoder_intermediate_size": 48,
    "classifier_init_scale": 1.0,  # logits must differ visibly between clips
    "id2label": {0: "happy", 1: "sad", 2: "neutral"},
}


@pytest.fixture(scope="session")
def tiny_model():
    """`tiny_model(model_class, **fields)`: a small random model for 4 frames of 32 x 32 pixels."""

    def make(model_class=LGIFormerForVideoClassification, **fields):
        torch.manual_seed(0)
        return model_class(LGIFormerConfig(**{**TINY, **fields})).eval()

    return make


@pytest.fixture(scope="session")
def tiny_processor():
    """`tiny_processor(**settings)`: the processor of `tiny_model`. A clip spans 16 frames of the video."""

    def make(**settings):
        return LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4, **settings)

    return make


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Path of a video of a drawn face, 2.56 seconds."""
    return str(write_sample_clip(tmp_path_factory.mktemp("clips") / "face.mp4"))


@pytest.fixture(scope="session")
def people_video():
    """`people_video({left edge: (first frame, last frame)}, count)`: frames with a bright square for each person.

    uint8 (count, 80, 240, 3). Squares have 40 pixels, start 20 pixels from the top, and flicker over time.
    """

    def make(people, count=100):
        frames = np.full((count, 80, 240, 3), 20, np.uint8)
        for left, (first, last) in people.items():
            for index in range(first, last + 1):
                frames[index, 20:60, left : left + 40] = 160 + (37 * index + left) % 90
        return frames

    return make


class SquareDetector:
    """Finds the squares of `people_video` whose left edges are multiples of 80 pixels."""

    def __call__(self, image):
        lefts = [left for left in range(0, 240, 80) if image[40, left + 20, 0] > 100]
        return np.array([[left, 20, left + 40, 60, 0.9] for left in lefts], dtype=np.float32).reshape(-1, 5)


@pytest.fixture
def square_detector():
    """A detector that finds the people of `people_video`."""
    return SquareDetector()


@pytest.fixture
def recognise(tiny_model, tiny_processor, square_detector):
    """A pipeline that finds the people of `people_video`. Its windows are 0.64 seconds long (16 frames)."""
    return FacialExpressionPipeline(
        model=tiny_model(), video_processor=tiny_processor(), face_cropper=FaceCropper(square_detector), device="cpu"
    )
