"""Which frames of whom become which clip."""

import pytest
import torch

from lgi_former.inference.windows import PersonFrame, Windows


def moments(**people):
    """Moments a tenth of a second apart; `p3=(2, 7)` is person 3, who is there from moment 2 to 7."""
    spans = {int(name[1:]): span for name, span in people.items()}
    for index in range(max(last for _, last in spans.values()) + 1):
        yield [
            PersonFrame(person, index / 10, torch.tensor(float(index)))
            for person, (first, last) in spans.items()
            if first <= index <= last
        ]


def clips(people, num_frames=4, stride=2, **settings):
    """(person, the frames' moments) of each clip."""
    windows = Windows(num_frames, stride, step=0.1, **settings)
    return [(clip.person, clip.pixel_values.int().tolist()) for clip in windows.clips(moments(**people))]


def test_windows_slide_and_the_last_ends_with_the_person():
    assert clips({"p0": (0, 7)}) == [(0, [0, 1, 2, 3]), (0, [2, 3, 4, 5]), (0, [4, 5, 6, 7])]
    assert clips({"p0": (0, 6)}) == [(0, [0, 1, 2, 3]), (0, [2, 3, 4, 5]), (0, [3, 4, 5, 6])]
    assert clips({"p0": (0, 3)}) == [(0, [0, 1, 2, 3])]


def test_somebody_who_is_there_for_less_than_a_window_stands_still_at_the_end():
    assert clips({"p0": (0, 1)}) == [(0, [0, 1, 1, 1])]


def test_windows_may_leave_gaps():
    assert clips({"p0": (0, 12)}, stride=6) == [(0, [0, 1, 2, 3]), (0, [6, 7, 8, 9]), (0, [9, 10, 11, 12])]


def test_each_person_has_windows_of_their_own_from_when_they_appear():
    assert sorted(clips({"p0": (0, 4), "p1": (3, 7)})) == [
        (0, [0, 1, 2, 3]),
        (0, [1, 2, 3, 4]),
        (1, [3, 4, 5, 6]),
        (1, [4, 5, 6, 7]),
    ]


def test_clips_come_as_soon_as_their_last_frame_is_shown_to_the_end():
    taken = []
    watched = (taken.append(index) or moment for index, moment in enumerate(moments(p0=(0, 99))))
    next(Windows(4, 2, 0.1).clips(watched))
    assert taken == [0, 1, 2, 3, 4]


def test_times_reach_from_the_first_frame_to_the_end_of_the_last():
    clip, *_ = Windows(4, 2, 0.1).clips(moments(p0=(2, 5)))
    assert (clip.start, clip.end) == pytest.approx((0.2, 0.6))


def test_only_the_last_window_ends_with_the_video():
    passed = [0.0]  # grows as frames are decoded, and is exact only when the moments are over

    def decoding():
        for index, moment in enumerate(moments(p0=(0, 5))):
            passed[0] = index / 10 + 0.05
            yield moment

    first, second = Windows(4, 2, 0.1, duration=lambda: passed[0]).clips(decoding())
    assert (first.end, second.end) == pytest.approx((0.4, 0.55))
