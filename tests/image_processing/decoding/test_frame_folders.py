"""Frames in folders and archives, and their order."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video
from lgi_former.image_processing.decoding import frame_folders
from lgi_former.image_processing.decoding.frame_folders import holds_frames, in_order


@pytest.fixture(params=["folder", "archive"])
def numbered(tmp_path, request):
    """A folder or an archive of twelve frames 1.png to 12.png. Their grey levels are 10 times their numbers."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(1, 13):
        Image.new("L", (16, 16), 10 * number).save(folder / f"{number}.png")
    if request.param == "folder":
        return folder
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return tmp_path / "frames.zip"


NATURAL = [*range(1, 13)]
BY_NAME = [1, 10, 11, 12, *range(2, 10)]


@pytest.mark.parametrize(("settings", "expected"), [({}, NATURAL), ({"frame_order": "name"}, BY_NAME)])
def test_every_reader_follows_the_order(numbered, settings, expected):
    (frames,), _ = read_video(numbered, every_frame, **settings)
    assert (frames[:, 0, 0, 0] // 10).tolist() == expected
    with open_frames(numbered, **settings) as stream:
        assert [frame.image[0, 0, 0] // 10 for frame in stream] == expected


def test_the_processor_follows_its_order_and_that_of_a_call(numbered, tmp_path):
    def numbers(processor, **settings):
        clip = processor(numbered, do_rescale=False, do_normalize=False, return_tensors="pt", **settings)
        return (clip["pixel_values"][0, :, 0, 0, 0] / 10).round().int().tolist()

    sampling = {"num_frames": 12, "sampling_rate": 1, "size": {"height": 16, "width": 16}}
    assert numbers(LGIFormerVideoProcessor(**sampling)) == NATURAL
    assert numbers(LGIFormerVideoProcessor(**sampling), frame_order="name") == BY_NAME
    assert numbers(LGIFormerVideoProcessor(**sampling), frame_order="name", do_sample_frames=False) == BY_NAME
    LGIFormerVideoProcessor(**sampling, frame_order="name").save_pretrained(tmp_path / "saved")
    saved = LGIFormerVideoProcessor.from_pretrained(tmp_path / "saved")
    assert numbers(saved) == BY_NAME and numbers(saved, frame_order="natural") == NATURAL


@pytest.mark.parametrize(
    "names",
    [
        ["frame_9999.png", "frame_10000.png"],
        ["a2b10.png", "a10b1.png", "a10b2.png"],
        ["01.png", "1.png", "2.png", "010.png"],
        ["frame.png", "frame1.png", "frame2.png", "frames1.png"],
        ["1.jpg", "2.png", "10.jpg"],
        [f"{number:05d}.png" for number in range(20)],
        ["9" * 4999 + ".png", "1" + "0" * 5000 + ".png"],
        ["x-1.5.png", "x-1.10.png"],
        ["0.png", "00.png", "1.png"],
        ["-10.png", "-2.png", "-1.png", "0.png", "1.png", "10.png"],
        ["a-1.png", "a-2.png", "a-10.png"],
        ["\u0661.png", "\u0662.png", "\u0661\u0660.png"],
        ["\uff11.png", "\uff12.PNG", "\uff11\uff10.png"],
    ],
)
def test_natural_order(names):
    assert in_order(sorted(names)) == in_order(names[::-1]) == names
    assert in_order(names, "name") == sorted(names)


def test_an_unknown_order_is_refused(numbered):
    for use in (
        lambda: read_video(numbered, every_frame, frame_order="random"),
        lambda: open_frames(numbered, frame_order="random").__enter__(),
        lambda: LGIFormerVideoProcessor(frame_order="random"),
        lambda: LGIFormerVideoProcessor()(numbered, frame_order="random"),
    ):
        with pytest.raises(ValueError, match="frame_order='random' must be 'natural' or 'name'"):
            use()


@pytest.mark.parametrize("suffix", ["bmp", "tif", "tiff", "webp", "PNG", "jpeg"])
def test_frames_may_be_of_many_formats(suffix, tmp_path):
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 2 * number, 3 * number)).save(tmp_path / f"{number}.{suffix}")
    (frames,), _ = read_video(tmp_path, every_frame)
    assert frames.shape == (3, 8, 8, 3) and np.abs(frames[:, 0, 0, 0].astype(int) - [0, 1, 2]).max() <= 1
    assert holds_frames(tmp_path)


def test_animations_are_not_frames(tmp_path):
    pictures = [Image.new("RGB", (8, 8), (grey,) * 3) for grey in (0, 100)]
    for name in ("a.gif", "b.webp", "c.png"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    assert not holds_frames(tmp_path)
    pictures[0].save(tmp_path / "d.png")
    assert holds_frames(tmp_path)


def pack(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            picture = io.BytesIO()
            Image.new("L", (8, 8), 10 * number).save(picture, "PNG")
            archive.writestr(name, picture.getvalue())
    return path


def test_an_archive_whose_frames_are_in_a_folder_is_refused(tmp_path):
    for number, names in enumerate((["clip/1.png", "clip/2.png"], ["__MACOSX/._1.png", "clip/1.png"])):
        with pytest.raises(VideoReadError, match=r"frames of '.*' are in its folder 'clip'"):
            read_video(pack(tmp_path / f"{number}.ZIP", *names), every_frame)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_has_each_name_once(tmp_path):
    (frames,), _ = read_video(pack(tmp_path / "a.zip", "1.png", "2.png", "1.png"), every_frame)
    assert frames[:, 0, 0, 0].tolist() == [20, 10]


def test_the_same_name_with_two_suffixes_is_reported(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(frame_folders.logger, "warning_once", warnings.append)
    for name in ("1.png", "2.jpg", "3.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    assert len(read_video(tmp_path, every_frame)[0][0]) == 3 and not warnings
    Image.new("L", (8, 8)).save(tmp_path / "2.png")
    assert len(read_video(tmp_path, every_frame)[0][0]) == 4
    assert "holds '2.jpg' and '2.png'" in warnings[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_without_a_suffix_is_an_image(kind, tmp_path):
    exif = Image.Exif()
    exif[274] = 2  # mirrored
    picture = Image.new("RGB", (32, 16))
    picture.paste((255, 255, 255), (0, 0, 8, 16))
    picture.save(tmp_path / "download", kind, exif=exif)
    (frames,), metadata = read_video(tmp_path / "download", every_frame)
    assert metadata.video_backend == "pillow"
    assert frames.shape == (1, 16, 32, 3) and frames[0, 8, -2, 0] > 250 and frames[0, 8, 2, 0] < 5
