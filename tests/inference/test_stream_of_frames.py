"""Frames one by one: entries as for a video, inputs that are refused, latency, memory, closing."""

import contextlib
import gc
import itertools
import math
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from lgi_former import FacialExpressionPipeline
from lgi_former.image_processing import FaceCropper
from lgi_former.inference import frame_iterator


@pytest.fixture
def stream(recognise):
    """`stream(frames, **settings)`: the entries for frames of 32 x 32 pixels that are not cropped, in a list."""
    return lambda frames, **settings: list(recognise.stream(frames, **{"crop_faces": False, **settings}))


def in_order(entries):
    return sorted(entries, key=lambda entry: (entry["start"], entry["person"]))


def assert_same(entries, expected):
    assert len(entries) == len(expected) > 2
    for entry, other in zip(in_order(entries), expected, strict=True):
        assert entry["scores"] == pytest.approx(other["scores"], abs=1e-6)
        assert {**entry, "scores": None} == {**other, "scores": None}


def write_video(path, frames, times=None, **options):
    """Write a video of 25 frames per second, or with a time in milliseconds for each frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


# The entries of a video


VARIABLE = [33 * index for index in range(60)] + [1980 + 100 * index for index in range(20)]


@pytest.mark.parametrize("crop_faces", [True, False])
@pytest.mark.parametrize(
    ("name", "times"), [("a.mp4", None), ("a.mkv", None), ("a.mkv", VARIABLE), ("a.ts", None), ("a.mp4", VARIABLE)]
)
def test_decoded_frames_have_the_entries_of_their_file(name, times, crop_faces, recognise, people_video, tmp_path):
    frames = people_video({0: (0, 79), 160: (10, 60)}, count=80)
    video = write_video(tmp_path / name, frames, times)
    expected = recognise(video, crop_faces=crop_faces, return_boxes=True)["timeline"]
    with av.open(video) as container:
        settings = {"crop_faces": crop_faces, "return_boxes": True}
        assert_same(list(recognise.stream(container.decode(video=0), **settings)), expected)


@pytest.mark.parametrize(
    ("convert", "settings"),
    [
        (lambda frames: iter(frames), {"frame_rate": 25}),
        (lambda frames: (frame[..., ::-1] for frame in frames), {"frame_rate": 25, "channel_order": "bgr"}),
        (lambda frames: (torch.from_numpy(frame).movedim(-1, 0) for frame in frames), {"frame_rate": 25}),
        (lambda frames: map(Image.fromarray, frames), {"frame_rate": 25}),
        (lambda frames: ((frame, 7 + index / 25) for index, frame in enumerate(frames)), {}),
        (lambda frames: [(frame, np.float64(index / 25)) for index, frame in enumerate(frames)], {}),
        (lambda frames: iter(frames), {"times": (Fraction(index, 25) for index in itertools.count())}),
        (lambda frames: frames, {"times": [-3 + index / 25 for index in range(80)]}),
        (
            lambda frames: (np.dstack([frame, np.full((80, 240), 255, np.uint8)]) for frame in frames),
            {"frame_rate": 25},
        ),
        (lambda frames: (frame[..., [2, 1, 0]] for frame in frames), {"frame_rate": 25, "channel_order": "bgr"}),
        (lambda frames: map(av.VideoFrame.from_ndarray, frames), {"frame_rate": 25}),
    ],
    ids=["arrays", "bgr view", "tensors", "images", "pairs", "list", "times", "array", "rgba", "bgr", "no pts"],
)
def test_all_kinds_of_frames_and_times_have_the_same_entries(convert, settings, recognise, people_video):
    frames = people_video({0: (0, 79), 160: (10, 60)}, count=80)
    frames[..., 1] //= 2  # colours, so that another order of channels is another picture
    assert_same(list(recognise.stream(convert(frames), **settings)), recognise(frames)["timeline"])


def test_grey_pictures_are_pictures_with_three_equal_channels(stream):
    grey = np.random.default_rng(0).integers(0, 255, (30, 32, 32), np.uint8)
    expected = stream(iter(np.repeat(grey[..., None], 3, axis=-1)), frame_rate=25)
    assert stream(iter(grey), frame_rate=25) == stream(iter(grey[..., None]), frame_rate=25) == expected != []
    assert stream(iter(grey), frame_rate=25, channel_order="bgr") == expected


def test_a_camera_may_reuse_its_memory(stream):
    noise = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), np.uint8)

    def camera():
        memory = np.empty_like(noise[0])
        for frame in noise:
            memory[:] = frame
            yield memory

    assert stream(camera(), frame_rate=25) == stream(iter(noise.copy()), frame_rate=25)


def test_frames_of_a_frame_level_model_do_not_wait_for_the_end(
    tiny_model, tiny_processor, square_detector, people_video
):
    recognise = FacialExpressionPipeline(
        model=tiny_model(frame_level=True),
        video_processor=tiny_processor(),
        face_cropper=FaceCropper(square_detector),
        device="cpu",
    )
    frames = people_video({0: (0, 199), 160: (0, 40)}, count=200)
    assert_same(list(recognise.stream(iter(frames), frame_rate=25)), recognise(frames)["timeline"])
    people = [entry["person"] for entry in recognise.stream(iter(frames), frame_rate=25)]
    assert 0 < len(people) - people[::-1].index(1) < len(people) / 2 + 5  # person 1 leaves after a fifth of the time


# Real time


def test_entries_come_with_the_delay_that_the_documents_state(recognise, people_video):
    seen = []

    def camera():
        for index, frame in enumerate(people_video({80: (0, 199)}, count=200)):
            seen.append(index / 25)
            yield frame, index / 25

    for crop_faces, delay in ((False, 0.0), (True, 1.6 + 0.16)):
        seen.clear()
        waits = [
            seen[-1] - entry["end"]
            for entry in recognise.stream(camera(), crop_faces=crop_faces)
            if seen[-1] < 199 / 25
        ]
        assert len(waits) > 10 and max(waits) <= delay + 0.04 + 1e-6


def test_few_frames_are_in_memory(recognise, people_video, monkeypatch):
    held, most = weakref.WeakSet(), []

    class CountedFrame(frame_iterator.TimedFrame):
        def __init__(self, *args):
            super().__init__(*args)
            held.add(self)
            gc.collect(0)
            most.append(len(held))

    monkeypatch.setattr(frame_iterator, "TimedFrame", CountedFrame)
    assert len(list(recognise.stream(iter(people_video({80: (0, 399)}, count=400)), frame_rate=25))) > 40
    assert len(most) == 400 and max(most) <= 16  # one in each 0.16 of the 1.76 seconds until boxes are final


def test_closing_the_entries_closes_the_iterators(recognise, people_video):
    class Camera:
        def __init__(self, items):
            self.items, self.closed = iter(items), 0

        def __iter__(self):
            return self

        def __next__(self):
            return next(self.items)

        def close(self):
            self.closed += 1

    camera, times = Camera(people_video({}, count=100)), Camera(index / 25 for index in range(100))
    entries = recognise.stream(camera, times=times, crop_faces=False)
    next(entries)
    entries.close()
    assert (camera.closed, times.closed) == (1, 1)
    camera = Camera([None])
    with pytest.raises(ValueError, match="Frame 0 is of type NoneType"):
        list(recognise.stream(camera, frame_rate=25))
    assert camera.closed == 1
    states = []

    def generator():
        with contextlib.ExitStack() as stack:
            stack.callback(states.append, "closed")
            yield from people_video({}, count=100)

    entries = recognise.stream(generator(), frame_rate=25, crop_faces=False)
    next(entries)
    entries.close()
    assert states == ["closed"]


def test_errors_of_the_source_are_raised(stream):
    def camera():
        yield np.zeros((32, 32, 3), np.uint8)
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="the camera is gone"):
        stream(camera(), frame_rate=25)


# Wrong input


PICTURE = np.zeros((32, 32, 3), np.uint8)


def timed(*times):
    return [(PICTURE, time) for time in times]


def untimed(index):
    frame = av.VideoFrame.from_ndarray(PICTURE, format="rgb24")
    if index:
        frame.pts, frame.time_base = index, Fraction(1, 25)
    return frame


@pytest.mark.parametrize(
    ("frames", "settings", "message"),
    [
        ([PICTURE], {}, "Frame 0 has no time. Give pairs"),
        ([untimed(0)], {}, "Frame 0 has no time"),
        ([untimed(0), untimed(1)], {"frame_rate": None}, "Frame 0 has no time"),
        ([(PICTURE, 0), PICTURE], {}, "Frame 1 has no time"),
        (timed(0, 0.04, 0.03), {}, "Frame 2 has a time 0.01 seconds before"),
        (timed(np.uint64(5), np.uint64(4)), {}, "Frame 1 has a time 1 seconds before"),
        (timed(0, math.nan), {}, "Frame 1 has the time nan"),
        (timed(math.inf), {}, "Frame 0 has the time inf"),
        (timed(None), {}, "Frame 0 has the time None"),
        (timed("0.1"), {}, "Frame 0 has the time '0.1'"),
        (timed(0, True), {}, "Frame 1 has the time True"),
        (timed(0, 40, 80), {}, "Frame 1 follows 40 seconds after .* times in seconds"),  # milliseconds
        ([PICTURE] * 3, {"times": [0, 0.04]}, "times has only 2 entries"),
        ([PICTURE] * 3, {"times": [0, 0.04, 0.08, 0.12]}, "times has 4 entries for 3 frames"),
        ([PICTURE], {"times": [0], "frame_rate": 25}, "times and frame_rate were given"),
        (timed(0), {"times": [0]}, "Frame 0 came with a time, and times is given"),
        (timed(0), {"frame_rate": 25}, "Frame 0 came with a time, and frame_rate is given"),
        ([PICTURE, PICTURE[:16]], {"frame_rate": 25}, "Frame 1 has 32 x 16 pixels, the frames before it 32 x 32"),
        ([PICTURE, Image.new("RGB", (16, 32))], {"frame_rate": 25}, "Frame 1 has 16 x 32 pixels"),
        ([untimed(1), av.VideoFrame(64, 32, "rgb24")], {"frame_rate": 25}, "Frame 1 has 64 x 32 pixels"),
        ([PICTURE.astype(np.float32)], {"frame_rate": 25}, "Frame 0 has numbers of type float32.*uint8"),
        ([torch.zeros(3, 32, 32)], {"frame_rate": 25}, "numbers of type torch.float32"),
        ([PICTURE.astype(np.uint16)], {"frame_rate": 25}, "numbers of type uint16"),
        ([PICTURE.astype(bool)], {"frame_rate": 25}, "numbers of type bool"),
        ([np.zeros((32, 32, 2), np.uint8)], {"frame_rate": 25}, "Frame 0 cannot be read.*1, 3 or 4 channels"),
        ([np.zeros((32, 32, 5), np.uint8)], {"frame_rate": 25}, "Frame 0 cannot be read"),
        ([np.zeros((0, 32, 3), np.uint8)], {"frame_rate": 25}, "Frame 0 cannot be read.*no pixels"),
        ([np.zeros((2, 32, 32, 3), np.uint8)], {"frame_rate": 25}, "Frame 0 has 4 dimensions"),
        ([np.zeros(32, np.uint8)], {"frame_rate": 25}, "Frame 0 has 1 dimensions"),
        ([PICTURE, None], {"frame_rate": 25}, "Frame 1 is of type NoneType"),
        (["a.mp4"], {"frame_rate": 25}, "Frame 0 is of type str"),
        ([Image.new("RGB", (32, 32))], {"frame_rate": 25, "channel_order": "bgr"}, "A PIL image states the order"),
        ([untimed(1)], {"channel_order": "bgr"}, "A frame of PyAV states the order"),
        ([PICTURE], {"frame_rate": 25, "channel_order": "RGB"}, "channel_order='RGB' must be 'rgb' or 'bgr'"),
        ([PICTURE], {"frame_rate": 25, "backend": "pyav"}, "backend is for files"),
        ([PICTURE], {"frame_rate": 25, "frame_order": "name"}, "frame_order is for files"),
        ([PICTURE], {"frame_rate": 25, "batch_size": 0}, "batch_size=0 must be"),
        ([PICTURE], {"frame_rate": math.nan}, "frame_rate=nan must be"),
    ],
)
def test_wrong_input_is_refused(frames, settings, message, stream):
    with pytest.raises(ValueError, match=message) as refused:
        stream(iter(frames), **settings)
    assert str(refused.value).count(". ") <= 2


@pytest.mark.parametrize("video", ["a.mp4", {"path": "a.mp4"}, b"abc", Image.new("RGB", (32, 32))])
def test_files_have_their_own_times_and_channels(video, stream):
    for settings in ({"times": [0]}, {"channel_order": "bgr"}):
        with pytest.raises(ValueError, match="times and channel_order are for frames"):
            stream(video, **settings)
    with pytest.raises(ValueError, match="array of 4 dimensions, but this one has 3"):
        stream(PICTURE, times=[0])


def test_a_frame_without_a_time_has_the_rate_of_the_pipeline(recognise, tiny_model, tiny_processor):
    frames = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), np.uint8)
    rated = FacialExpressionPipeline(
        model=recognise.model, video_processor=tiny_processor(), device="cpu", crop_faces=False, frame_rate=10
    )
    expected = rated(frames)["timeline"]
    assert_same(list(rated.stream(iter(frames))), expected)
    assert_same(list(rated.stream((frame, index / 10) for index, frame in enumerate(frames))), expected)
    with pytest.raises(ValueError, match="Frame 1 has a time, but the frames before it had none"):
        list(rated.stream([untimed(0), untimed(1)]))
    with pytest.raises(ValueError, match="Frame 1 has no time"):
        list(rated.stream([untimed(1), untimed(0)]))


def test_no_frames_have_no_entries(stream):
    assert stream(iter([]), frame_rate=25) == []
