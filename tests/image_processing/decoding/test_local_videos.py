"""Videos as the library `datasets` and open files give them: the processor and `open_frames` read them as paths."""

import io
import tempfile
import types
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from datasets import Dataset, Video

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError, open_frames, read_video
from lgi_former.image_processing.decoding.local_videos import local_video, video_name


PROCESSOR = LGIFormerVideoProcessor(size={"height": 48, "width": 64}, num_frames=4, sampling_rate=3)


class Decoder:
    """A stand-in for `torchcodec.decoders.VideoDecoder`, which need not be installed."""

    def __init__(self, frames, order="NCHW"):
        self._frames = torch.from_numpy(frames if order == "NHWC" else frames.transpose(0, 3, 1, 2).copy())
        self.metadata = types.SimpleNamespace(average_fps=10.0)
        self.asked = []

    def __len__(self):
        return len(self._frames)

    def get_frames_at(self, indices):
        self.asked += indices
        return types.SimpleNamespace(data=self._frames[indices])


@pytest.fixture
def path(write_video):
    return write_video("a.mp4", count=20)


def clips(*videos, **options):
    given = list(videos) if len(videos) > 1 else videos[0]
    return PROCESSOR(given, return_tensors="pt", **options)["pixel_values"]


FORMS = {
    "path alone": lambda path: {"path": str(path)},
    "path object": lambda path: {"path": path, "bytes": None},
    "bytes alone": lambda path: {"bytes": path.read_bytes()},
    "bytes win": lambda path: {"bytes": path.read_bytes(), "path": "missing/b.mp4"},
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "buffer": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "open file of fsspec": lambda path: fsspec.open(str(path)).open(),
    "decoded": lambda path: types.SimpleNamespace(_hf_encoded={"path": str(path), "bytes": None}),
    "decoded bytes": lambda path: types.SimpleNamespace(_hf_encoded={"path": None, "bytes": path.read_bytes()}),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_read_as_a_path(form, path):
    video = FORMS[form](path)
    expected = clips(str(path), num_segments=2)
    assert torch.equal(clips(video, num_segments=2), expected)
    assert torch.equal(clips(video, num_segments=2), expected)  # an open file is read from its beginning
    with open_frames(video) as stream, open_frames(path) as same:
        assert [frame.image.sum() for frame in stream] == [frame.image.sum() for frame in same]


def test_forms_may_be_mixed(path):
    array, _ = read_video(path, lambda metadata: np.arange(20))
    videos = [str(path), {"path": str(path)}, array, path.read_bytes(), path, Decoder(array), io.BytesIO(b"")]
    expected = clips(str(path))
    for clip in clips(*videos[:-1]):
        assert torch.equal(clip[None], expected)
    with pytest.raises(VideoReadError, match=r"'BytesIO' is empty \(0 bytes\)"):
        clips(*videos)


def test_rows_of_datasets_are_read(path):
    rows = Dataset.from_dict({"video": [str(path)] * 2}).cast_column("video", Video(decode=False))
    expected = clips(str(path), str(path))
    assert torch.equal(clips(*rows["video"]), expected) and torch.equal(clips(rows[:]["video"]), expected)


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_a_decoder_decodes_only_the_frames_of_the_clip(order, path):
    array, _ = read_video(path, lambda metadata: np.arange(20))
    decoder = Decoder(array, order)
    result = PROCESSOR(decoder, return_tensors="pt", return_metadata=True)
    assert torch.equal(result["pixel_values"], clips(array))
    assert decoder.asked == result["video_metadata"][0].frames_indices.tolist()
    with open_frames(decoder) as stream:
        frames = list(stream)
    assert [frame.time for frame in frames[:3]] == [0, 0.1, 0.2]
    assert all((frame.image == pixels).all() for frame, pixels in zip(frames, array, strict=True))


def test_a_decoder_that_fails_is_an_error(path):
    decoder = Decoder(np.zeros((5, 8, 8, 3), dtype=np.uint8))
    decoder.get_frames_at = lambda indices: 1 / 0
    with pytest.raises(VideoReadError, match=r"The decoded video cannot be read: division by zero\. Pass its path"):
        clips(decoder)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ({}, "A dictionary with no keys has no video. It needs 'bytes'"),
        ({"path": None, "bytes": None}, "A dictionary with 'path', 'bytes' has no video"),
        ({"video": {"path": "a.mp4"}, "label": 1}, "A dictionary with 'video', 'label' has no video"),
        ({"path": "missing.mp4"}, "There is no file or folder 'missing.mp4'"),
        ({"path": 3}, "The 'path' of a video is of type int"),
        ({"bytes": "AAAA"}, "The 'bytes' of a video are of type str"),
        ({"bytes": b"no video", "path": "b/text.mp4"}, "'b/text.mp4' cannot be decoded as a video"),
        ({"bytes": b"", "path": "b/text.mp4"}, r"'b/text.mp4' is empty \(0 bytes\)"),
        (b"no video", "'[0-9a-f]{20,32}' cannot be decoded as a video"),
        (io.StringIO("text"), "'StringIO' gives str instead of bytes. Open the file of the video with mode 'rb'"),
        ({"path": "memory://nothing.mp4"}, "'memory://nothing.mp4' cannot be fetched"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
def test_errors_are_sentences(video, message):
    with pytest.raises(VideoReadError, match=f"^{message}"):
        clips(video)
    with pytest.raises(VideoReadError, match=f"^{message}"), open_frames(video) as stream:
        list(stream)


def test_a_closed_file_is_an_error(path):
    with path.open("rb") as file:
        pass
    with pytest.raises(VideoReadError, match=r"a.mp4' cannot be read: .*closed file"):
        clips(file)


def test_addresses_in_dictionaries_are_fetched(path):
    fsspec.filesystem("memory").pipe("/clips/a.mp4", path.read_bytes())
    assert torch.equal(clips({"path": "memory://clips/a.mp4", "bytes": None}), clips(str(path)))


def test_names():
    assert video_name({"path": "a.mp4", "bytes": b"x"}) == "a.mp4"
    assert video_name({"bytes": b"x"}) == video_name(b"x") == video_name(memoryview(b"x")) != video_name(b"y")
    assert video_name({"path": None, "bytes": None}) == video_name(None) == "None"
    with tempfile.TemporaryFile() as file:  # its name is a number
        assert video_name(file) == type(file).__name__


@pytest.mark.parametrize("video", [7, torch.zeros(1), object()])
def test_other_types_are_refused(video):
    with pytest.raises(TypeError, match="should be a path or a value of"), local_video(video):
        pass
    with pytest.raises(ValueError, match="A video must be a path, a URL, bytes"):
        clips(video)
