"""Limits of uploads, and their deletion."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import VideoReadError
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.uploads import NotAnsweredError, deleted_after_answer, measure
from lgi_former.inference.demo.visitors import Visitors


def test_an_upload_within_the_limits_is_accepted(sample):
    UploadLimits(max_megabytes=1, max_seconds=2.6).check(sample)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_megabytes": 0.001}, r"'sample.mp4' has 0.0\d* MB, more than the 0.001 MB"),
        ({"max_seconds": 2.5}, "'sample.mp4' is 2.6 seconds long, more than the 2.5 seconds"),
        (
            {"max_megapixels": 0.01},
            r"'sample.mp4' has pictures of \d+ x \d+ pixels, more than the 0.01 million pixels",
        ),
        ({"max_seconds": 0.02}, r"'sample.mp4' is at least 0.2 seconds long"),
    ],
    ids=["too large", "too long", "too many pixels", "much too long"],
)
def test_an_upload_beyond_the_limits_is_refused(limits, message, sample):
    with pytest.raises(ValueError, match=message):
        UploadLimits(**limits).check(sample)


def test_the_length_without_a_header_is_that_of_the_packets(tmp_path):
    # A browser records a webcam so: Matroska, written without going back to the header.
    path = tmp_path / "webcam.webm"
    with path.open("wb") as file, av.open(_Pipe(file), "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width = stream.height = 32
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert container.duration is None
    assert measure(path, most_frames=100).seconds == pytest.approx(3, abs=0.01)


def test_the_length_is_not_that_of_a_cover_picture(write_after_cover):
    frames = np.zeros((30, 48, 64, 3), np.uint8)
    assert measure(write_after_cover(frames, cover=frames[0]), most_frames=100).seconds == pytest.approx(1.2, abs=0.01)


def test_a_video_of_10000_pixels_is_refused_without_decoding(tmp_path):
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 10000, 1000, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(10000, 1000, "yuvj420p")))
        container.mux(stream.encode())
    with pytest.raises(ValueError, match=r"'wide.mp4' has pictures of 10000 x 1000 pixels, more than the 9 million"):
        UploadLimits().check(path)


def test_a_short_video_of_very_many_frames_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "fast.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width = stream.height = 16
        for _ in range(300):
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode())
    UploadLimits(max_seconds=1.2).check(path)
    with pytest.raises(ValueError, match=r"'fast.mkv' has more than the 250 frames that are accepted here"):
        UploadLimits(max_seconds=1).check(path)
    assert measure(path, most_frames=10).num_frames == 11


class _Pipe:
    """A file without `seek`."""

    def __init__(self, file):
        self.write = file.write


def _text(path):
    path.write_text("not a video")


def _playlist(path):
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{path}\n#EXT-X-ENDLIST\n")


def _concatenation(path):
    path.write_text("ffconcat version 1.0\nfile sample.mp4\n")


def _image(path):
    Image.new("RGB", (32, 32)).save(path, format="png")


@pytest.mark.parametrize("write", [_text, _playlist, _concatenation, _image])
def test_other_files_are_refused(write, sample):
    path = sample.with_name("upload.mp4")
    write(path)
    with pytest.raises(VideoReadError, match=r"^'upload.mp4' is not a video, or is damaged"):
        UploadLimits().check(path)


def test_an_upload_is_deleted_after_the_answer(upload):
    path = Path(upload({}))
    with deleted_after_answer(str(path)):
        assert path.exists()
    assert not path.parent.exists()
    assert path.parent.parent.exists()


@pytest.mark.parametrize("error", [ValueError, OSError, RuntimeError])
def test_an_upload_is_deleted_after_an_error(error, upload):
    path = Path(upload({}))
    with pytest.raises(NotAnsweredError, match=r"'people.mp4' is bad$"), deleted_after_answer(str(path)):
        raise error(f"'{path}' is bad\nand more")
    assert not path.parent.exists()


def test_another_upload_in_the_folder_is_not_deleted(upload):
    path = Path(upload({}))
    other = path.with_name("other.mp4")
    other.touch()
    with deleted_after_answer(str(path)):
        pass
    assert other.exists() and not path.exists()


def test_an_upload_of_two_senders_is_deleted_after_both_answers(upload):
    path, visitors = upload({}), Visitors()
    visitors.sent(path, "203.0.113.7")
    visitors.sent(path, None)
    assert visitors.num_unanswered("203.0.113.7") == 1
    with deleted_after_answer(path, visitors):
        pass
    assert Path(path).exists() and visitors.num_unanswered("203.0.113.7") == 0
    with deleted_after_answer(path, visitors):
        pass
    assert not Path(path).exists()


def test_without_an_upload_there_is_no_answer():
    with pytest.raises(NotAnsweredError, match="Choose a video"), deleted_after_answer(None):
        pytest.fail("there is nothing to answer")
