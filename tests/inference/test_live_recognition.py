"""Live recognition: windows are dropped whole, frames are skipped in sections, memory and delays."""

import threading
import time

import numpy as np
import pytest

from lgi_former import FacialExpressionPipeline, export_model
from lgi_former.image_processing.decoding.frame_stream import FrameStream, TimedFrame
from lgi_former.inference import live_frames
from lgi_former.inference.live_frames import LiveFrames, NoMoreFramesError
from lgi_former.inference.live_recognition import LiveRecognition
from lgi_former.inference.loading import load_classifier


@pytest.fixture
def clock(monkeypatch):
    """The clock of `LiveFrames`. Tests set it to `clock.now` seconds."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(live_frames.time, "monotonic", lambda: Clock.now)
    return Clock


def timed_frames(pictures, start=0.0):
    for index, picture in enumerate(pictures):
        frame = TimedFrame(index, start + index / 25, lambda picture=picture: picture)
        frame.duration = 1 / 25
        yield frame


def in_real_time(frames):
    began = time.monotonic()
    for frame in frames:
        time.sleep(max(began + frame.time - time.monotonic(), 0))
        yield frame


def feed(queue, frames):
    threading.Thread(target=queue.feed, args=(frames,), daemon=True).start()


def by_window(entries):
    return {(entry["person"], entry["start"], entry["end"]): entry["scores"] for entry in entries}


def test_frames_that_come_early_lose_nothing(recognise, people_video, monkeypatch):
    video = people_video({0: (0, 99), 160: (20, 60)})
    forward = recognise._forward

    def slow(inputs):  # slower than these frames are read, but not slower than real time
        time.sleep(0.05)
        return forward(inputs)

    monkeypatch.setattr(recognise, "_forward", slow)
    queue = LiveFrames(timeout=5)
    feed(queue, timed_frames(video))
    live = LiveRecognition(recognise, queue)
    found, expected = by_window(live), by_window(recognise(video)["timeline"])
    assert found.keys() == expected.keys()
    for window, scores in found.items():
        assert scores == pytest.approx(expected[window], abs=1e-6)
    assert (live.num_entries, live.num_dropped, queue.skipped) == (len(expected), 0, 0)
    assert queue.seconds == pytest.approx(4)


def test_a_slow_model_drops_whole_windows(recognise, people_video, monkeypatch):
    video = people_video({80: (0, 74)}, count=75)
    expected, forward = by_window(recognise(video, crop_faces=False)["timeline"]), recognise._forward

    def slow(inputs):
        time.sleep(0.5 * len(inputs["pixel_values"]))
        return forward(inputs)

    monkeypatch.setattr(recognise, "_forward", slow)
    queue = LiveFrames(timeout=5)
    feed(queue, in_real_time(timed_frames(video)))
    live = LiveRecognition(recognise, queue, crop_faces=False)
    found = by_window(live)
    assert 2 <= len(found) == live.num_entries < len(expected)
    assert live.num_entries + live.num_dropped == len(expected)
    for window, scores in found.items():
        assert scores == pytest.approx(expected[window], abs=1e-6)
    median, worst = live.delays
    assert 0.4 < median <= worst < 3.5  # two windows wait at most, and two are computed at once


def test_people_of_a_later_section_get_new_numbers_and_later_times(recognise, people_video):
    both = people_video({0: (0, 49), 160: (0, 49)}, count=50)

    class Sections:
        """Two sections. In reality, the frames between them were skipped."""

        def sections(self):
            for start in (0.0, 10.0):
                yield start, FrameStream(timed_frames(both), 25, None)

        def earliness(self, seconds):
            return 0.01  # windows wait for the model

        def age(self, seconds):
            return 0.0

        def close(self):
            pass

    found = list(LiveRecognition(recognise, Sections(), return_boxes=True))
    expected = recognise(both, return_boxes=True)["timeline"]
    assert {entry["person"] for entry in found} == {0, 1, 2, 3}
    assert by_window(found[: len(expected)]).keys() == by_window(expected).keys()
    assert {(p - 2, round(s - 10, 3), round(e - 10, 3)) for p, s, e in by_window(found[len(expected) :])} == set(
        by_window(expected)
    )
    assert all(entry["boxes"][0][0] == entry["start"] for entry in found)


def test_frames_that_are_used_too_slowly_are_skipped_together(clock, people_video):
    queue = LiveFrames(timeout=5)
    pictures = list(people_video({}, count=200))
    for frame in timed_frames(pictures):
        clock.now = frame.time + 1  # a second later than in real time
        queue.put(frame)
    queue.end()
    sections = [(start, list(frames)) for start, frames in queue.sections()]
    (start, frames), *others = sections
    assert not others and start == pytest.approx(5.04)  # more than 5 seconds waited
    assert queue.skipped == pytest.approx(5.04)
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(200 - 126)])
    assert frames[3].image is pictures[129] and frames[3].duration == 1 / 25


def test_the_number_of_frames_that_wait_is_bounded(clock, people_video):
    queue = LiveFrames(timeout=5)
    for index, picture in enumerate(people_video({}, count=400)):
        clock.now = index / 1000
        queue.put(TimedFrame(index, clock.now - 1e-6, lambda picture=picture: picture))
    assert queue.skipped > 0.14
    queue.end()
    assert sum(len(list(frames)) for _, frames in queue.sections()) <= live_frames.MAX_WAITING_FRAMES


def test_a_queue_that_is_closed_ends_both_threads(people_video):
    queue = LiveFrames(timeout=5)
    frames = timed_frames(people_video({}))
    queue.put(next(frames))
    queue.close()
    assert list(queue.sections()) == []
    with pytest.raises(NoMoreFramesError):
        queue.put(next(frames))
    queue.feed(frames)
    assert next(frames, None) is None  # it is closed


def test_errors_of_the_source_follow_the_last_window(recognise, people_video):
    def broken():
        yield from timed_frames(people_video({}, count=40))
        raise OSError("the cable is out")

    for source, error, message in (
        (broken(), OSError, "the cable is out"),
        (iter(()), TimeoutError, "no frame arrived for 0.05 seconds"),
    ):
        queue = LiveFrames(timeout=0.05)
        if error is OSError:
            feed(queue, source)
        entries = []
        with pytest.raises(error, match=message):
            entries.extend(LiveRecognition(recognise, queue, crop_faces=False))
    queue = LiveFrames(timeout=5)
    feed(queue, broken())
    live = LiveRecognition(recognise, queue, crop_faces=False)
    with pytest.raises(OSError, match="the cable is out"):
        entries.extend(live)
    assert [entry["end"] for entry in entries][-1] == 1.6 and len(entries) == 4


def test_errors_of_the_pipeline_are_raised(recognise, people_video, monkeypatch):
    def broken(image):
        raise RuntimeError("the detector is broken")

    recognise._cropper().detector = broken
    queue = LiveFrames(timeout=5)
    feed(queue, timed_frames(people_video({})))
    with pytest.raises(RuntimeError, match="the detector is broken"):
        list(LiveRecognition(recognise, queue))


def test_an_exported_model_is_live_too(tiny_model, tiny_processor, people_video, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_model(tiny_model(), tmp_path, "onnx", dynamic_batch=False, processor=tiny_processor())
    model, processor = load_classifier(str(tmp_path))
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, crop_faces=False)
    video = people_video({80: (0, 39)}, count=40)
    expected = by_window(recognise(video)["timeline"])
    queue = LiveFrames(timeout=5)
    feed(queue, timed_frames(video))
    for entries in (recognise.stream(iter(video), frame_rate=25), LiveRecognition(recognise, queue)):
        found = by_window(entries)
        assert found.keys() == expected.keys() and len(found) == 4
        assert np.allclose(
            [[*scores.values()] for scores in found.values()], [[*s.values()] for s in expected.values()]
        )
