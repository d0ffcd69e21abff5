"""Assignment of detections to tracks, and boxes between detections."""

import numpy as np
import pytest

from lgi_former.image_processing.faces.face_tracking import FaceTracker


def face(left, top=0, size=100, score=0.9):
    return np.array([left, top, left + size, top + size, score])


def track(*rounds, **settings):
    """A tracker with the faces of each round, at intervals of a fifth of a second."""
    tracker = FaceTracker(**settings)
    for index, faces in enumerate(rounds):
        tracker.update(index / 5, np.reshape(faces, (-1, 5)))
    return tracker


def test_overlapping_faces_are_one_track():
    tracker = track(*[[face(10 * k)] for k in range(10)])
    (only,) = tracker.tracks
    assert (only.start, only.end, only.num_detections) == (0, pytest.approx(1.8), 10)


def test_two_people_have_two_tracks_for_any_order_of_their_faces():
    left, right = [face(5 * k) for k in range(6)], [face(160 - 5 * k) for k in range(6)]
    tracker = track(*[[a, b] if k % 2 else [b, a] for k, (a, b) in enumerate(zip(left, right, strict=True))])
    starts = sorted(one.box(0, 0)[0] for one in tracker.tracks)
    ends = sorted(one.box(1, 0)[0] for one in tracker.tracks)
    assert starts + ends == pytest.approx([0, 160, 25, 135])


def test_the_assignment_has_the_largest_total_overlap():
    # The first track overlaps the face of the second track more than its own face.
    tracker = track([face(0), face(60)], [face(40), face(110)])
    assert sorted(one.box(0.2, 0)[0] for one in tracker.tracks) == pytest.approx([40, 110])
    assert [one.num_detections for one in tracker.tracks] == [2, 2]


def test_low_overlaps_do_not_outweigh_a_high_one():
    # One pair has 0.36. The two other pairs have 0.23, too little for a track.
    tracker = track([face(75, 90, 82), face(145, 109, 125)], [face(94, 81, 113), face(83, 140, 60)])
    assert sorted(one.num_detections for one in tracker.tracks) == [1, 1, 2]


@pytest.mark.parametrize(("missed", "num_tracks"), [(4, 1), (5, 2)])
def test_a_track_survives_a_gap_up_to_a_second(missed, num_tracks):
    tracker = track([face(0)], *[[]] * missed, [face(0)], max_gap=1.0)
    assert len(tracker.tracks) == num_tracks


def test_boxes_in_a_gap_lie_on_a_straight_line():
    (only,) = track([face(0)], [], [], [face(30)]).tracks
    assert only.box(0.2, smoothing=0).tolist() == pytest.approx([10, 0, 110, 100])
    assert only.box(0.4, smoothing=0).tolist() == pytest.approx([20, 0, 120, 100])


def test_there_is_no_box_before_the_first_and_after_the_last_detection():
    (only,) = track([], [face(0)], [face(0)]).tracks
    assert only.box(0.1, smoothing=0.4) is None
    assert only.box(0.5, smoothing=0.4) is None


def test_smoothing_removes_noise_and_preserves_steady_motion():
    random = np.random.default_rng(0)
    noise = random.normal(scale=4, size=(100, 4))
    noisy = [np.append(np.array([k, 0, 100 + k, 100]) + noise[k], 0.9) for k in range(100)]
    (only,) = track(*noisy).tracks
    times = np.arange(5, 95) / 5
    raw, smooth = (np.std([only.box(time, smoothing)[0] - 5 * time for time in times]) for smoothing in (0, 0.4))
    assert smooth < raw * 0.7
    assert np.mean([only.box(time, 0.4)[0] - 5 * time for time in times]) == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([[face(0)]] * 3, True),
        ([[face(0)]] * 2 + [[]] * 3, False),  # too short
        ([[face(0, score=0.5)]] * 5, False),  # never a high score
        ([[face(0, score=0.5)]] * 4 + [[face(0, score=0.7)]], True),
        ([[face(0)]], True),  # a single image
    ],
)
def test_a_person_needs_several_detections_and_a_high_score(rounds, expected):
    tracker = track(*rounds)
    assert [tracker.is_person(one) for one in tracker.tracks] == [expected]


def test_discarded_detections_do_not_change_later_boxes():
    rounds = [[face(k * k / 10)] for k in range(30)]
    whole, pruned = track(*rounds), track(*rounds)
    pruned.discard_before(4.0, smoothing=0.4)
    for time in (4.0, 4.3, 5.8):
        assert (pruned.tracks[0].box(time, 0.4) == whole.tracks[0].box(time, 0.4)).all()
    assert len(pruned.tracks[0]._times) < 15
    pruned.discard_before(6.0, smoothing=0.4)
    assert pruned.tracks == []


SIZE, COLOURS = 60, np.uint8([[200, 150, 120], [120, 90, 160]])


def meeting(kind, speed, seed):
    """Times, faces and pictures of two people who meet. They move by `speed` times their size in a second.

    The sixth column of a face is its person. The detector finds one of two faces with a large overlap. Person 0 is in
    front.
    """
    random = np.random.default_rng(seed)
    count = max(int(5 * 800 / (speed * SIZE)), 12)
    for index in range(count):
        way = speed * SIZE * (index - (count - 1) / 2) / 5
        lefts = {"cross": (way, -way), "turn": (-abs(way), abs(way)), "pass": (way, 0)}[kind]
        faces = np.array([[470 + left, 200, 530 + left, 272, 0.9, person] for person, left in enumerate(lefts)])
        faces[:, :4] += random.normal(0, 0.03 * SIZE, (2, 4))
        picture = np.full((480, 1000, 3), 70, np.uint8)
        for left, top, right, bottom, _, person in faces[::-1].clip(0).astype(int):
            picture[top:bottom, left:right] = COLOURS[person]
            picture[top : top + 24, left:right] //= 3  # hair
        overlap = 1 - abs(lefts[0] - lefts[1]) / SIZE
        yield index / 5, random.permutation(faces[:1] if overlap / (2 - overlap) > 0.3 else faces), picture


def people_of(tracker):
    """The people that each track holds."""
    return [sorted({int(face[5]) for face in one._faces}) for one in tracker.tracks if tracker.is_person(one)]


@pytest.mark.parametrize(
    ("kind", "speed"),
    # Somebody whom another person passes at speed 1 is hidden for longer than a track stays open.
    [("cross", 1), ("cross", 2), ("cross", 4), ("turn", 1), ("turn", 2), ("turn", 4), ("pass", 2), ("pass", 4)],
)
def test_people_who_meet_stay_two_people(kind, speed):
    for seed in range(3):
        tracker = FaceTracker()
        for time, faces, picture in meeting(kind, speed, seed):
            tracker.update(time, faces, picture)
        assert sorted(people_of(tracker)) == [[0], [1]]


@pytest.mark.parametrize("speed", [1, 2, 4])
def test_motion_is_enough_for_people_who_cross(speed):
    tracker = FaceTracker()
    for time, faces, _ in meeting("cross", speed, seed=0):
        tracker.update(time, faces)
    # Both tracks may claim the one face that is found where they meet.
    ends = [(one._faces[0][5], one._faces[-1][5]) for one in tracker.tracks if tracker.is_person(one)]
    assert sorted(ends) == [(0, 0), (1, 1)]


def test_a_face_that_moves_by_its_width_between_detections_is_one_track():
    (only,) = track(*[[face(110 * k)] for k in range(8)]).tracks
    assert only.num_detections == 8


def test_a_face_beside_the_place_of_a_face_of_other_colours_is_a_new_track():
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 110:210] = 200
    tracker = FaceTracker()
    tracker.update(0.0, face(0)[None], picture)
    tracker.update(0.2, face(110)[None], picture)
    assert len(tracker.tracks) == 2


@pytest.mark.parametrize("ways", [(0, 300), (0, 0, 0, 0, 400)])
def test_a_face_far_away_is_a_new_track(ways):
    assert len(track(*[[face(way)] for way in ways]).tracks) == 2


def test_a_much_larger_face_is_a_new_track():
    assert len(track([face(0)], [face(90, size=180)]).tracks) == 2
