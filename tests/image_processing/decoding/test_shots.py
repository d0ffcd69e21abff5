"""Hard cuts in videos of drawn scenes, and pictures that look like cuts but are none."""

import gc
import weakref

import av
import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import open_frames, sample_in_time
from lgi_former.image_processing.decoding.shots import find_cuts


HEIGHT, WIDTH = 90, 160


def scene(seed, count=25, speed=0.0):
    """A scene of soft shapes, uint8 (count, 90, 160, 3). The camera moves by `speed` pixels per frame."""
    wide = WIDTH + int(speed * count) + 1
    coarse = np.random.default_rng(seed).integers(0, 256, (6, wide // 16, 3), np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((wide, HEIGHT), Image.Resampling.BICUBIC))
    return np.stack([picture[:, int(speed * index) :][:, :WIDTH] for index in range(count)])


def brighter(frames, factor, start, stop):
    changed = frames.astype(float)
    changed[start:stop] *= factor
    return changed.clip(0, 255).astype(np.uint8)


def painted(frames, colour, start, stop):
    changed = frames.copy()
    changed[start:stop] = colour
    return changed


def shaken(frames, reach=5):
    offsets = np.random.default_rng(0).integers(0, reach, (len(frames), 2))
    rows, columns = (np.linspace(0, size - reach, size).astype(int) for size in (HEIGHT, WIDTH))
    return np.stack([f[rows + dy][:, columns + dx] for f, (dy, dx) in zip(frames, offsets, strict=True)])


def passed(frames):
    """A dark bar of a third of the picture passes within nine frames."""
    changed = frames.copy()
    for index in range(9):
        changed[8 + index, :, max(20 * index - 50, 0) : 20 * index] = 10
    return changed


def noisy(frames):
    noise = np.random.default_rng(0).normal(scale=25, size=frames.shape)
    return (frames + noise).clip(0, 255).astype(np.uint8)


def fade(first, second, length=8):
    """The end of `first` becomes black, and `second` comes out of black."""
    light = np.linspace(1, 0, length)[:, None, None, None]
    out, into = first[-length:] * light, second[:length] * light[::-1]
    return np.concatenate([first[:-length], out.astype(np.uint8), into.astype(np.uint8), second[length:]])


def cuts_of(video, frame_rate=25.0):
    """Numbers of the frames at which a shot begins, after a check of the shots of all frames."""
    with open_frames(video, frame_rate) as stream:
        find_cuts(stream)
        shots = [frame.shot for frame in stream]
    cuts = [round(cut * frame_rate) for cut in stream.cuts]
    assert shots == [sum(cut <= index for cut in cuts) for index in range(len(video))]
    return cuts


@pytest.mark.parametrize("speed", [0, 1, 4])
def test_a_cut_is_found_at_its_frame(speed):
    parts = [scene(seed, count, speed) for seed, count in enumerate((20, 9, 30, 40))]
    assert cuts_of(np.concatenate(parts)) == [20, 29, 59]


@pytest.mark.parametrize("frame_rate", [2, 6, 12])
def test_cuts_are_found_at_low_frame_rates(frame_rate):
    assert cuts_of(np.concatenate([scene(0, 6, 3), scene(1, 5, 3), scene(2, 7, 3)]), frame_rate) == [6, 11]


def test_shots_of_one_colour_differ_by_the_colour():
    levels = np.repeat(np.uint8([[40, 40, 40], [200, 200, 200], [200, 60, 60]]), 15, axis=0)
    assert cuts_of(np.broadcast_to(levels[:, None, None], (45, HEIGHT, WIDTH, 3)).copy()) == [15, 30]


@pytest.mark.parametrize(
    "video",
    [
        scene(0, 40),
        scene(0, 40, speed=8),  # five hundredths of the width per frame
        brighter(scene(0, 40), 2.5, 12, 15),
        brighter(scene(0, 40, 1), 0.4, 12, 40),  # the light goes off
        painted(scene(0, 40, 1), 255, 12, 13),
        painted(scene(0, 40, 1), 0, 12, 17),
        painted(scene(0, 40, 1), 0, 38, 40),  # the video ends in two black frames
        shaken(scene(0, 40)),
        passed(scene(0, 40)),
        noisy(scene(0, 40)),
        fade(scene(0, 25), scene(0, 25)),
        scene(0, 1),
        np.random.default_rng(0).integers(0, 256, (40, HEIGHT, WIDTH, 3), np.uint8),
    ],
    ids=[
        "still",
        "pan",
        "flash",
        "dark",
        "white",
        "black",
        "end",
        "shake",
        "passer",
        "noise",
        "blink",
        "single",
        "random",
    ],
)
def test_other_changes_are_no_cuts(video):
    assert cuts_of(video) == []


def test_a_fade_through_black_to_another_scene_is_one_cut():
    (cut,) = cuts_of(fade(scene(0, 25), scene(1, 25)))
    assert 17 <= cut <= 33


def test_one_wrong_frame_between_two_shots_is_no_shot():
    assert cuts_of(np.concatenate([scene(0, 20), scene(1, 1), scene(2, 20)])) == [20]


@pytest.mark.parametrize("size", [(6, 8), (35, 5), (17, 401)])
def test_pictures_of_any_size_are_compared(size):
    video = np.concatenate([scene(0, 10), scene(1, 10)])
    small = [np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BOX)) for frame in video]
    assert cuts_of(np.stack(small)) == [10]


def test_a_file_is_cut_as_its_frames(tmp_path):
    video = np.concatenate([scene(0, 20, 2), scene(1, 20, 2)])
    with av.open(str(tmp_path / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = HEIGHT, WIDTH, "yuv420p", 2_000_000
        for frame in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with open_frames(tmp_path / "video.mp4") as stream:
        find_cuts(stream)
        sampled = [(frame.time, frame.shot) for frame in sample_in_time(stream, 0.1)]
    assert stream.cuts == pytest.approx([0.8])
    assert sampled == [(pytest.approx(0.1 * k), int(k >= 8)) for k in range(16)]


def test_cuts_are_not_looked_for_too_late():
    with open_frames(scene(0, 4)) as stream:
        next(iter(stream))
        with pytest.raises(RuntimeError, match="before the first frame is read"):
            find_cuts(stream)


def test_few_frames_are_in_memory():
    video = np.concatenate([scene(seed, 20) for seed in range(8)])
    held, alive = [], weakref.WeakSet()
    with open_frames(video) as stream:
        frames = stream.frames
        stream.frames = (alive.add(frame) or frame for frame in frames)
        find_cuts(stream)
        for _ in stream:
            gc.collect(0)
            held.append(len(alive))
    assert max(held) <= 10
    assert held[10] <= 3  # no frame is ahead where there is no cut
