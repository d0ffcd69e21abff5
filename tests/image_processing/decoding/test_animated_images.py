"""Animated images are videos. Both readers use the times of their pictures."""

import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video
from lgi_former.image_processing.decoding import video_decoding
from lgi_former.image_processing.decoding.animated_images import is_animation


GREYS = (10, 100, 200)
LOSSLESS = {"webp": {"lossless": True}}


def save(path, pictures, **options):
    options = LOSSLESS.get(path.suffix[1:], {}) | options
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


def plain(size=(30, 20)):
    return [Image.new("RGB", size, (grey, grey, grey)) for grey in GREYS]


def times_of(path):
    with open_frames(path) as stream:
        return [frame.time for frame in stream]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "A.GIF", "without_a_suffix"])
def test_all_pictures_are_frames(name, read_both, tmp_path):
    kind = {} if "." in name else {"format": "WEBP", "lossless": True}
    path = save(tmp_path / name, plain(), duration=[40, 100, 200], **kind)
    frames, times = read_both(path), times_of(path)
    assert frames.shape == (3, 20, 30, 3) and frames[:, 5, 5, 0].tolist() == list(GREYS)
    assert times == pytest.approx([0, 0.04, 0.14])
    with open_frames(path) as stream:
        assert len(list(stream)) == stream.num_frames == 3
        assert stream.passed == pytest.approx(0.34)


def test_single_frames_are_read_in_any_order(tmp_path):
    path = save(tmp_path / "a.webp", plain())
    frames, metadata = read_video(path, lambda metadata: np.array([[2, 0], [1, 1]]))
    assert frames[..., 0, 0, 0].tolist() == [[200, 10], [100, 100]]
    assert (metadata.total_num_frames, metadata.height, metadata.width) == (3, 20, 30)


@pytest.mark.parametrize(("name", "options"), [("a.gif", {"disposal": 2}), ("a.png", {"disposal": 1}), ("a.webp", {})])
def test_transparent_pixels_are_black(name, options, read_both, tmp_path):
    pictures = [Image.new("RGBA", (24, 8), (90, 90, 90, 0)) for _ in range(3)]
    for index, picture in enumerate(pictures):
        picture.paste((200, 40, 40, 255), (8 * index, 0, 8 * index + 8, 8))
    frames = read_both(save(tmp_path / name, pictures, duration=100, **options))
    assert (frames[:, 4, [4, 12, 20], 0] == 200 * np.eye(3)).all()


@pytest.mark.parametrize("milliseconds", [0, 10])
@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_impossible_times_are_replaced_as_in_browsers(suffix, milliseconds, tmp_path):
    path = save(tmp_path / f"a.{suffix}", plain(), duration=milliseconds)
    assert times_of(path) == pytest.approx([0, 0.1, 0.2])


def test_the_default_image_of_an_apng_is_not_a_frame(read_both, tmp_path):
    pictures = [Image.new("RGB", (8, 8), "red"), *plain((8, 8))]
    path = save(tmp_path / "a.png", pictures, default_image=True, duration=[40, 50, 60])
    frames, times = read_both(path), times_of(path)
    assert frames[:, 0, 0, 0].tolist() == list(GREYS) and times == pytest.approx([0, 0.04, 0.09])


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_a_still_image_is_one_frame(name, read_both, tmp_path):
    plain()[1].save(tmp_path / name, **LOSSLESS.get(name[2:], {}))
    frames, times = read_both(tmp_path / name), times_of(tmp_path / name)
    assert frames.shape == (1, 20, 30, 3) and (frames == 100).all() and times == [0]
    assert is_animation(tmp_path / name) == name.endswith("gif")


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_that_is_cut_off_is_refused(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
    path = save(tmp_path / f"a.{suffix}", [Image.fromarray(pixels) for pixels in noise])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    for read in (lambda: read_video(path, every_frame), lambda: open_frames(path).__enter__()):
        with pytest.raises(VideoReadError, match=rf"a\.{suffix}' cannot be decoded as an animated image"):
            read()


def test_a_gif_that_is_cut_off_is_reported(tmp_path, read_both, monkeypatch):
    warnings = []
    monkeypatch.setattr(video_decoding.logger, "warning_once", warnings.append)
    path = save(tmp_path / "a.gif", plain())
    content = path.read_bytes()
    assert len(read_both(path)) == 3 and not warnings
    path.write_bytes(content + b"\r\n")  # as some programs write
    assert len(read_both(path)) == 3 and not warnings
    path.write_bytes(content[:-1])  # between two pictures; within one, decoding fails
    assert len(read_both(path)) == 3
    note = f"'{path}' is cut off. The pictures that are left are read."
    assert set(warnings) == {note}
    with open_frames(path) as stream:
        assert stream.notes == [note]


def test_the_times_of_an_apng_do_not_depend_on_its_suffix(tmp_path):
    path = save(tmp_path / "a.png", plain(), duration=[5, 200, 300])
    path.with_suffix(".apng").write_bytes(path.read_bytes())
    assert times_of(path.with_suffix(".apng")) == times_of(path) == pytest.approx([0, 0.1, 0.3])


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_an_animation_is_not_a_frame(suffix, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    save(folder / f"1.{suffix}", plain())
    with pytest.raises(VideoReadError, match=rf"1\.{suffix}.*holds 3 pictures"):
        read_video(folder, every_frame)


def test_the_content_decides_whether_a_file_is_an_animation(tmp_path):
    (tmp_path / "a.gif").write_text("no picture")
    plain()[0].save(tmp_path / "b.png", format="WEBP")
    save(tmp_path / "c.png", plain(), format="WEBP")
    (tmp_path / "d.webp").write_bytes(b"RIFF\x00\x00\x00\x00WEBPVP8X")  # cut off before the bit for animations
    names = ("a.gif", "b.png", "c.png", "d.webp", "missing.gif")
    assert [is_animation(tmp_path / name) for name in names] == [False, False, True, False, False]
