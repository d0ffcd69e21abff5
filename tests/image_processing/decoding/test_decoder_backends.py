"""The chosen backend decodes video files. A backend that is not installed is refused."""

import importlib

import numpy as np
import pytest
import torch

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video
from lgi_former.image_processing.decoding import decoder_backends


def is_usable(backend):
    try:
        return decoder_backends.chosen_backend(backend) == backend
    except ValueError:
        return False


INSTALLED = [
    pytest.param(backend, marks=pytest.mark.skipif(not is_usable(backend), reason=f"{backend} cannot be loaded"))
    for backend in decoder_backends.BACKENDS
]


@pytest.mark.parametrize("backend", INSTALLED)
def test_every_reader_uses_the_backend(backend, write_video, read_numbers):
    path = write_video("a.mp4")
    (frames,), metadata = read_video(path, every_frame, backend=backend)
    assert metadata.video_backend == backend and read_numbers(frames).tolist() == list(range(60))
    with open_frames(path, backend=backend) as stream:
        streamed = list(stream)
        assert stream.frame_rate == pytest.approx(25) and stream.num_frames == 60
        assert [frame.time for frame in streamed] == pytest.approx(np.arange(60) / 25, abs=1e-3)
        assert (np.stack([frame.image for frame in streamed]) == frames).all()


@pytest.mark.parametrize("backend", INSTALLED)
def test_the_processor_uses_its_backend_and_that_of_a_call(backend, write_video, tmp_path):
    def used(processor, **settings):
        return processor(path, return_metadata=True, **settings)["video_metadata"][0].video_backend

    path = write_video("a.mp4")
    assert used(LGIFormerVideoProcessor()) == "pyav"
    assert used(LGIFormerVideoProcessor(), backend=backend) == backend
    LGIFormerVideoProcessor(backend=backend).save_pretrained(tmp_path / "saved")
    saved = LGIFormerVideoProcessor.from_pretrained(tmp_path / "saved")
    assert used(saved) == backend and used(saved, backend="pyav") == "pyav"
    assert "backend" not in LGIFormerVideoProcessor().to_dict()


@pytest.mark.parametrize("backend", INSTALLED)
def test_a_file_that_the_backend_cannot_read_is_refused(backend, tmp_path):
    (tmp_path / "a.mp4").write_text("no video\n" * 99)
    name = "PyAV" if backend == "pyav" else backend
    refused = pytest.raises(VideoReadError, match=rf"a\.mp4' cannot be decoded as a video by {name}")
    with refused:
        read_video(tmp_path / "a.mp4", every_frame, backend=backend)
    with refused, open_frames(tmp_path / "a.mp4", backend=backend) as stream:
        list(stream)


@pytest.mark.parametrize("backend", INSTALLED)
def test_the_backend_works_in_forked_workers(backend, write_video):
    processor = LGIFormerVideoProcessor(backend=backend, num_frames=4, size={"height": 16, "width": 16})
    paths = [str(write_video(f"{number}.mp4")) for number in range(3)]
    expected = processor(paths[0], return_tensors="pt")["pixel_values"]
    loader = torch.utils.data.DataLoader(
        paths,
        collate_fn=lambda batch: processor(batch[0], return_tensors="pt")["pixel_values"],
        num_workers=2,
        multiprocessing_context="fork",
        timeout=60,
    )
    assert all(torch.equal(clip, expected) for clip in loader)


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_a_backend_that_is_not_installed_is_refused(backend, write_video, monkeypatch):
    import_module = importlib.import_module

    def without(name, *args):
        if name.split(".")[0] == backend:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_module(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    path = write_video("a.mp4")
    for read in (
        lambda: read_video(path, every_frame, backend=backend),
        lambda: open_frames(path, backend=backend).__enter__(),
        lambda: LGIFormerVideoProcessor(backend=backend)(path),
    ):
        with pytest.raises(ValueError, match=f"'{backend}' is not installed. Install it with `pip install {backend}`"):
            read()


def test_a_backend_that_cannot_be_loaded_is_refused(write_video, monkeypatch):
    def broken(name):
        raise RuntimeError("Could not load libtorchcodec.\nMany more lines")

    monkeypatch.setattr(decoder_backends.importlib, "import_module", broken)
    with pytest.raises(ValueError, match=r"cannot be loaded \(Could not load libtorchcodec\.\)"):
        read_video(write_video("a.mp4"), every_frame, backend="torchcodec")


@pytest.mark.parametrize("backend", ["opencv", "PyAV", ""])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_unknown_backend_is_refused(kind, backend, write_video, write_frames):
    video = write_video("a.mp4") if kind == "file" else write_frames("frames")
    for use in (
        lambda: read_video(video, every_frame, backend=backend),
        lambda: open_frames(video, backend=backend).__enter__(),
        lambda: LGIFormerVideoProcessor(backend=backend),
    ):
        with pytest.raises(ValueError, match="must be 'pyav', 'decord' or 'torchcodec'"):
            use()


def test_without_pyav_another_backend_is_used_with_a_warning(write_video, monkeypatch):
    warnings = []
    monkeypatch.setattr(decoder_backends, "is_av_available", lambda: False)
    monkeypatch.setattr(decoder_backends, "is_decord_available", lambda: True)
    monkeypatch.setattr(decoder_backends.logger, "warning_once", warnings.append)
    _, metadata = read_video(write_video("a.mp4"), lambda metadata: np.array([0]))
    assert metadata.video_backend == "decord" and warnings[0].startswith("PyAV is not installed, so decord reads")
    monkeypatch.setattr(decoder_backends, "is_torchcodec_available", lambda: False)
    _, metadata = read_video(write_video("a.avi"), lambda metadata: np.array([0]))
    assert metadata.video_backend == "pyav"  # decord would not find the right frame
