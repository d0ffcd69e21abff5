"""`sampling_frame_rate`: videos of every frame rate give the same moments, in evaluation and in training."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import sampling_of
from lgi_former.image_processing.training_frame_sampling import finetuning_frame_indices, pretraining_frame_indices
from lgi_former.training.data.clips import frame_sampling, read_clip


SECONDS = 4
RATES = {
    "12.5 fps": [0.08 * number for number in range(50)],
    "25 fps": [0.04 * number for number in range(100)],
    "50 fps": [0.02 * number for number in range(200)],
    "variable": [0.01 * number for number in range(100)] + [1 + 0.06 * number for number in range(50)],
}
SLOWEST = 0.08  # seconds between two frames


def write_timed(path, times):
    """Write a video whose frames show when they begin: grey, from black to white in 4 seconds."""
    with av.open(str(path), "w") as container:
        last = times[-1] - times[-2]
        stream = container.add_stream("mpeg4", rate=1 / Fraction(last).limit_denominator(100))
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        stream.bit_rate, stream.codec_context.time_base = 2_000_000, Fraction(1, 1000)
        for time in times:
            grey = np.full((32, 32, 3), round(255 * time / SECONDS), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Paths of videos by their frame rate. All show the same."""
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_timed(folder / f"{name}.mp4", times) for name, times in RATES.items()}


def processor(**settings):
    size = {"height": 32, "width": 32}
    return LGIFormerVideoProcessor(size=size, num_frames=8, sampling_rate=4, sampling_frame_rate=25, **settings)


def moments(levels):
    """The times that grey levels (..., channels, height, width) show."""
    return np.asarray(levels, dtype=float).mean(axis=(-3, -2, -1)) / 255 * SECONDS


def assert_same_moments(found, expected):
    """A frame began at most a frame's duration ago. Encoders change grey levels by 2 of 255."""
    assert found.shape == expected.shape
    lateness = expected - found
    assert (lateness > -0.04).all() and (lateness < SLOWEST + 0.04).all()


@pytest.mark.parametrize("rate", RATES)
def test_clips_of_evaluation_show_the_same_moments(rate, videos):
    settings = {"num_segments": 2, "do_normalize": False, "do_rescale": False}
    clips = processor()(videos[rate], return_tensors="pt", return_metadata=True, frame_times=True, **settings)
    expected = 0.16 * np.arange(8) + np.array([[0], [0.16 * 17]])
    assert_same_moments(moments(clips["pixel_values"]).reshape(2, 8), expected)
    for metadata, times in zip(clips["video_metadata"], expected, strict=True):
        assert_shown(metadata, times)


def assert_shown(metadata, times):
    """The frames of a clip are exactly those that are shown at these times."""
    begins, ends = metadata.frame_times[metadata.frames_indices], metadata.frame_times[metadata.frames_indices + 1]
    assert (begins <= times + 2e-3).all() and (times < ends).all()


@pytest.mark.parametrize("sampling", [finetuning_frame_indices, pretraining_frame_indices])
@pytest.mark.parametrize("rate", RATES)
def test_training_clips_show_the_same_moments(rate, sampling, videos):
    sample, reading = frame_sampling(sampling, num_frames=8, sampling_rate=4), sampling_of(processor())
    for seed in range(3):
        found, metadata = read_clip(videos[rate], sample, lambda clip, _: clip, seed, reading=reading)
        indices = sample(100, torch.Generator().manual_seed(seed))
        assert_same_moments(moments(found), indices / 25)
        assert metadata.total_num_frames == len(RATES[rate])


def test_by_default_frames_are_counted(videos):
    by_frames = LGIFormerVideoProcessor(num_frames=8, sampling_rate=4)
    for rate in ("12.5 fps", "50 fps"):
        (metadata,) = by_frames(videos[rate], return_metadata=True, frame_times=True)["video_metadata"]
        spare = (len(RATES[rate]) + 3) // 4 - 8
        assert metadata.frames_indices.tolist() == [4 * (number + spare // 2) for number in range(8)]


@pytest.mark.parametrize("rate", RATES)
def test_sections_are_sampled_in_time(rate, videos):
    (metadata,) = processor()(videos[rate], start=1, end=2.28, return_metadata=True, frame_times=True)[
        "video_metadata"
    ]
    assert_shown(metadata, 1 + 0.16 * np.arange(8))


@pytest.mark.parametrize(("rate", "step"), [(None, 4), (50, 8), (12.5, 2)])
def test_arrays_have_the_frame_rate_of_the_call(rate, step):
    frames = np.zeros((100, 32, 32, 3), np.uint8)
    (metadata,) = processor()(frames, frame_rate=rate, return_metadata=True, frame_times=True)["video_metadata"]
    assert set(np.diff(metadata.frames_indices)) == {step}


def test_without_sampling_every_frame_is_read_once(videos):
    (metadata,) = processor()(videos["50 fps"], do_sample_frames=False, return_metadata=True)["video_metadata"]
    assert metadata.frames_indices.tolist() == list(range(200))


def test_the_setting_is_saved(tmp_path):
    processor().save_pretrained(tmp_path)
    assert LGIFormerVideoProcessor.from_pretrained(tmp_path).sampling_frame_rate == 25


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "25", True])
def test_impossible_rates_are_refused(value):
    with pytest.raises(ValueError, match=r"sampling_frame_rate=.* must be a positive number of frames per second"):
        LGIFormerVideoProcessor(sampling_frame_rate=value)
    with pytest.raises(ValueError, match=r"sampling_frame_rate=.* must be a positive number of frames per second"):
        LGIFormerVideoProcessor()(np.zeros((4, 32, 32, 3), np.uint8), sampling_frame_rate=value)
