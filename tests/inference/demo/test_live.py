"""The live tab: pictures of a camera become scores, with limits, without a browser. `test_page.py` has the browser."""

import time

import numpy as np
import pytest

from lgi_former.inference.demo import live
from lgi_former.inference.demo.live import Cameras


pytest.importorskip("gradio")


@pytest.fixture
def cameras(recognition):
    return Cameras(recognition.pipeline, max_seconds=60)


def film(cameras, pictures, browser="a", crop_faces=False, until=None):
    """Send pictures in real time, at 25 a second. Returns the last answer, or the first for which `until` is true."""
    began = time.monotonic()
    for index, picture in enumerate(pictures):
        time.sleep(max(began + index / 25 - time.monotonic(), 0))
        answer = cameras(browser, picture, crop_faces)
        if until is not None and until(*answer):
            break
    return answer


def has_entries(note, entries):
    return bool(entries)


def test_pictures_have_the_scores_of_the_newest_window(cameras, recognition, people_video):
    pictures = people_video({0: (0, 199), 160: (0, 199)}, count=200)
    assert cameras("a", pictures[0], True) == ("Waiting for the first window.", [])
    note, entries = film(cameras, pictures, crop_faces=True, until=has_entries)
    assert [entry["person"] for entry in entries] == [0, 1]
    assert note.startswith("Scores follow the picture by ")
    assert all(sum(entry["scores"].values()) == pytest.approx(1) for entry in entries)


def test_a_camera_without_a_face_has_a_note(cameras, people_video, monkeypatch):
    monkeypatch.setattr(live, "SHOWN_SECONDS", 0.2)
    note, entries = film(cameras, people_video({}, count=20), crop_faces=True)
    assert note == "No face was found, so there is nothing to classify." and entries == []


def test_other_settings_and_sizes_begin_anew(cameras, people_video):
    pictures = people_video({}, count=60)
    _, entries = film(cameras, pictures, until=has_entries)
    assert entries
    assert cameras("a", pictures[0, :40], False) == ("Waiting for the first window.", [])
    assert cameras("a", pictures[0, :40], True) == ("Waiting for the first window.", [])


def test_cameras_are_limited_in_number_and_time(cameras, people_video, monkeypatch):
    picture = people_video({}, count=1)[0]
    cameras("a", picture, False), cameras("b", picture, False)
    assert cameras("c", picture, False) == (
        "2 cameras are in use. Wait until one of them ends, then start yours again.",
        [],
    )
    monkeypatch.setattr(live, "PAUSE", 0.0)  # both have ended
    assert cameras("c", picture, False)[0] == "Waiting for the first window."
    monkeypatch.setattr(live, "PAUSE", 2.0)
    short = Cameras(cameras._recognise, max_seconds=0.1)
    note, entries = film(short, [picture] * 10)
    assert note == "The limit of 0.1 seconds is reached. Stop the camera, then start it again." and entries == []


def test_a_camera_past_its_limit_gives_its_place_to_others(cameras, people_video, monkeypatch):
    monkeypatch.setattr(live, "MAX_CAMERAS", 1)
    picture = people_video({}, count=1)[0]
    short = Cameras(cameras._recognise, max_seconds=0.1)
    reached = "The limit of 0.1 seconds is reached. Stop the camera, then start it again."
    assert film(short, [picture] * 10, browser="a") == (reached, [])
    assert short("a", picture, False) == (reached, [])  # it goes on sending, and holds no place
    assert short("b", picture, False)[0] == "Waiting for the first window."
    assert short("a", picture, True) == (reached, [])  # nor with other settings
    monkeypatch.setattr(live, "PAUSE", 0.0)  # both have paused
    time.sleep(0.01)
    assert short("a", picture, False)[0] == "Waiting for the first window."


def test_a_very_large_picture_is_refused(cameras):
    note, entries = cameras("a", np.zeros((1, 10000, 3), np.uint8), False)
    assert note == "The picture has 10000 x 1 pixels. Choose a camera of at most 4096." and entries == []
    assert not cameras._cameras


def test_an_error_is_shown(cameras, people_video, monkeypatch):
    def broken(inputs):
        raise ValueError("The model's scores are not finite numbers.")

    monkeypatch.setattr(cameras._recognise, "_forward", broken)
    note, entries = film(cameras, people_video({}, count=60), until=lambda note, _: note.startswith("No answer"))
    assert (note, entries) == ("No answer. The model's scores are not finite numbers.", [])


def test_the_page_shows_a_table(recognition, people_video):
    from lgi_former.inference.demo.page import build_page

    page = build_page(recognition, "mae-dfer-dfew")
    (event,) = (event for event in page.fns.values() if event.fn.__name__ == "answer_picture")
    assert event.connection == "stream" and event.api_visibility == "private"

    class Request:
        session_hash = "a"

    assert [update["__type__"] for update in event.fn(None, False, Request)] == ["update"] * 2  # nothing changes
    for picture in np.repeat(people_video({}, count=40), 1, axis=0):
        time.sleep(0.04)
        note, table = event.fn(picture, False, Request)
    assert note.startswith("Scores follow the picture by") and "happy" in table and "person 1" in table
