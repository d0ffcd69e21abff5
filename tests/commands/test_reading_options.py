"""`--backend` and `--frame_order` of the commands that read videos."""

import importlib

import numpy as np
import pytest
from PIL import Image

from lgi_former.commands.cli import main
from lgi_former.image_processing import open_frames
from lgi_former.image_processing.decoding.decoder_backends import chosen_backend
from lgi_former.inference.annotated_video import annotate_video


decord = pytest.importorskip("decord")


@pytest.fixture(
    params=[
        ["predict", "VIDEO", "--model", "FINETUNED", "--no_crop_faces"],
        ["predict", "VIDEO", "--model", "FINETUNED", "--no_crop_faces", "--annotate", "OUT.mp4"],
        ["predict", "VIDEO", "--model", "FINETUNED", "--no_crop_faces", "--num_segments", "2"],
        ["embed", "VIDEO", "--model", "PRETRAINED", "--output", "OUT.npy"],
        ["reconstruct", "VIDEO", "--model", "PRETRAINED", "--output", "OUT.png"],
        ["visualize", "attention", "VIDEO", "--model", "FINETUNED", "--output", "OUT.png"],
    ],
    ids=lambda words: " ".join(word for word in words if word.islower() and "/" not in word),
)
def command(request, finetuned, pretrained, video, tmp_path):
    """`command(*options)`: runs one of the commands on a video and returns the exit status."""

    def run(*options):
        names = {"VIDEO": video, "FINETUNED": finetuned, "PRETRAINED": pretrained}
        words = [names.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in request.param]
        return main([*words, *options, "--device", "cpu"])

    return run


@pytest.fixture
def opened(monkeypatch):
    """The files that decord has opened."""
    files = []
    make = decord.VideoReader.__init__

    def counted(self, uri, *args, **kwargs):
        files.append(uri)
        make(self, uri, *args, **kwargs)

    monkeypatch.setattr(decord.VideoReader, "__init__", counted)
    return files


def test_the_backend_is_used(command, opened, video):
    assert command("--backend", "decord") == 0
    assert opened and set(opened) == {video}


def test_the_default_backend_is_pyav(command, opened):
    assert command() == 0
    assert not opened


def test_a_backend_that_is_not_installed_is_refused(command, error_line, monkeypatch):
    import_module = importlib.import_module

    def without_torchcodec(name, *args):
        if name.split(".")[0] == "torchcodec":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_module(name, *args)

    monkeypatch.setattr(importlib, "import_module", without_torchcodec)
    with pytest.raises(ValueError, match="not installed"):
        chosen_backend("torchcodec")
    assert command("--backend", "torchcodec") == 2
    assert "Install it with `pip install torchcodec`" in error_line()


def test_an_unknown_backend_is_refused(command, capsys):
    with pytest.raises(SystemExit):
        command("--backend", "opencv")
    assert "invalid choice: 'opencv'" in capsys.readouterr().err


@pytest.fixture
def unpadded(tmp_path):
    """A folder of frames 1.png to 12.png. The grey level is 20 times the number."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(1, 13):
        Image.new("L", (64, 64), 20 * number).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("option", ["natural", "name"])
def test_frames_are_read_in_the_chosen_order(option, unpadded, finetuned, tmp_path):
    output = tmp_path / "embedding.npy"
    common = ["embed", "--model", finetuned, "--device", "cpu", "--output", str(output), "--overwrite"]
    assert main([*common, str(unpadded), "--frame_order", option]) == 0
    chosen = np.load(output)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    names = sorted(unpadded.iterdir(), key=lambda file: int(file.stem) if option == "natural" else file.name)
    for place, file in enumerate(names):
        (renamed / f"{place:03d}.png").write_bytes(file.read_bytes())
    assert main([*common, str(renamed)]) == 0
    assert (np.load(output) == chosen).all()


def test_an_annotated_video_has_the_frames_in_the_chosen_order(unpadded, tmp_path):
    result = {"people": [], "timeline": [], "duration": 0.48}
    annotate_video(unpadded, result, tmp_path / "a.mp4", frame_order="name")
    with open_frames(tmp_path / "a.mp4") as stream:
        greys = [round(frame.image[32, 32, 0] / 20) for frame in stream]
    assert greys == [1, 10, 11, 12, *range(2, 10)]
