"""Windows: the frames and times of each clip."""

import pytest
import torch

from lgi_former.inference.windows import PersonFrame, Windows


def moments(**people):
    """Moments 0.1 seconds apart. `p3=(2, 7)` is person 3, who is seen from moment 2 to 7."""
    spans = {int(name[1:]): span for name, span in people.items()}
    for index in range(max(last for _, last in spans.values()) + 1):
        yield [
            PersonFrame(person, index / 10, torch.tensor(float(index)))
            for person, (first, last) in spans.items()
            if first <= index <= last
        ]


def clips(people, num_frames=4, stride=2, **settings):
    """(person, indices of the moments) of each clip."""
    windows = Windows(num_frames, stride, step=0.1, **settings)
    return [(clip.person, clip.pixel_values.int().tolist()) for clip in windows.clips(moments(**people))]


def test_windows_slide_and_the_last_ends_with_the_person():
    assert clips({"p0": (0, 7)}) == [(0, [0, 1, 2, 3]), (0, [2, 3, 4, 5]), (0, [4, 5, 6, 7])]
    assert clips({"p0": (0, 6)}) == [(0, [0, 1, 2, 3]), (0, [2, 3, 4, 5]), (0, [3, 4, 5, 6])]
    assert clips({"p0": (0, 3)}) == [(0, [0, 1, 2, 3])]


def test_the_last_frame_of_a_short_track_is_repeated():
    assert clips({"p0": (0, 1)}) == [(0, [0, 1, 1, 1])]


def test_windows_may_leave_gaps():
    assert clips({"p0": (0, 12)}, stride=6) == [(0, [0, 1, 2, 3]), (0, [6, 7, 8, 9]), (0, [9, 10, 11, 12])]


def test_windows_of_each_person_start_when_the_person_appears():
    assert sorted(clips({"p0": (0, 4), "p1": (3, 7)})) == [
        (0, [0, 1, 2, 3]),
        (0, [1, 2, 3, 4]),
        (1, [3, 4, 5, 6]),
        (1, [4, 5, 6, 7]),
    ]


def test_a_clip_is_yielded_at_the_next_moment():
    taken = []
    watched = (taken.append(index) or moment for index, moment in enumerate(moments(p0=(0, 99))))
    next(Windows(4, 2, 0.1).clips(watched))
    assert taken == [0, 1, 2, 3, 4]


def test_a_clip_lasts_until_the_end_of_its_last_frame():
    clip, *_ = Windows(4, 2, 0.1).clips(moments(p0=(2, 5)))
    assert (clip.start, clip.end) == pytest.approx((0.2, 0.6))


def test_only_the_last_window_ends_with_the_video():
    passed = [0.0]  # grows during decoding

    def decoding():
        for index, moment in enumerate(moments(p0=(0, 5))):
            passed[0] = index / 10 + 0.05
            yield moment

    first, second = Windows(4, 2, 0.1, duration=lambda: passed[0]).clips(decoding())
    assert (first.end, second.end) == pytest.approx((0.4, 0.55))


def in_shots(cut, count):
    """Moments of person 0, 0.1 seconds apart. The second shot begins at the moment `cut`."""
    return ([PersonFrame(0, i / 10, torch.tensor(float(i)), shot=int(i >= cut))] for i in range(count))


@pytest.mark.parametrize("cut", [2, 5, 6, 9])
def test_no_window_holds_two_shots_of_a_person(cut):
    found = [clip.pixel_values.int().tolist() for clip in Windows(4, 2, 0.1).clips(in_shots(cut, 12))]
    assert all(len({index >= cut for index in clip}) == 1 for clip in found)
    assert {index for clip in found for index in clip} == set(range(12))


def test_a_window_ends_at_the_cut_after_its_last_frame():
    cuts = []

    def reading():
        for moment in in_shots(cut=6, count=12):
            if moment[0].time == 0.6:
                cuts.append(0.55)
            yield moment

    ends = [clip.end for clip in Windows(4, 2, 0.1, cuts=cuts).clips(reading())]
    assert ends == pytest.approx([0.4, 0.55, 1.0, 1.2])
