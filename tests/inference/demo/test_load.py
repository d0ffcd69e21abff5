"""Many users at once, and users who leave, at a running page. `tests/stress/` has the long version."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest


pytest.importorskip("gradio")
httpx = pytest.importorskip("httpx")

USERS = 50


@pytest.fixture
def served(recognition, tmp_path, monkeypatch):
    """The address of a running page, the page, and its folder of uploads."""
    from lgi_former.inference.demo.gate import behind_gate
    from lgi_former.inference.demo.page import build_page
    from lgi_former.inference.demo.visitors import Visitors

    uploads = tmp_path / "served"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    visitors = Visitors()
    page = build_page(recognition, "mae-dfer-dfew", visitors)
    _, address, _ = page.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        app_kwargs=behind_gate(recognition.limits, uploads, "mae-dfer-dfew", visitors),
    )
    yield address, page, uploads
    page.close()


def upload(http, sample):
    (path,) = http.post("gradio_api/upload", files={"files": ("a.mp4", sample.read_bytes())}).raise_for_status().json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def ask(address, sample):
    """Upload a video and ask for its answer. Returns the kind of the outcome, and how many files the server had."""
    with httpx.Client(base_url=address, timeout=60) as http:
        event = http.post("gradio_api/call/recognise", json={"data": [upload(http, sample), False]})
        if event.status_code != 200:
            return f"refused {event.status_code}"
        answer = http.get(f"gradio_api/call/recognise/{event.json()['event_id']}").text
    return answer.partition("\n")[0]


def test_50_users_at_once_are_answered_or_refused(served, recognition, sample, monkeypatch):
    address, _, uploads = served
    answering, most = Counter(), []

    def recognise(video, crop_faces, check):
        answering["now"] += 1
        most.append(answering["now"])
        time.sleep(0.02)
        answering["now"] -= 1
        return {"scores": None}

    monkeypatch.setattr(recognition, "recognise", recognise)
    with ThreadPoolExecutor(USERS) as users:
        futures = [users.submit(ask, address, sample) for _ in range(USERS)]
        health = httpx.get(f"{address}health", timeout=30).json()
        outcomes = Counter(future.result() for future in futures)
    assert health["status"] == "ok"
    answered = outcomes.pop("event: complete")
    assert answered >= 11 and set(outcomes) <= {"event: error", "refused 503"}, outcomes
    assert set(most) == {1} and len(most) == answered
    # Gradio stores equal files once. Those who were refused may ask again, so the file remains, for 30 minutes.
    assert sum(path.is_file() for path in uploads.rglob("*")) == 1
    assert ask(address, sample) == "event: complete"


def test_the_answer_to_a_closed_page_ends(served, recognition, sample, monkeypatch):
    address, page, uploads = served
    began, ended = threading.Event(), threading.Event()

    def recognise(video, crop_faces, check):
        began.set()
        try:
            for _ in range(1000):
                time.sleep(0.01)
                check(0.0)
        finally:
            ended.set()

    monkeypatch.setattr(recognition, "recognise", recognise)
    (function,) = (index for index, event in page.fns.items() if event.fn.__name__ == "recognise")
    with httpx.Client(base_url=address, timeout=30) as http:
        body = {"data": [upload(http, sample), False], "fn_index": function, "session_hash": "a"}
        with http.stream("GET", "gradio_api/heartbeat/a") as heartbeat:
            lines = heartbeat.iter_lines()  # without the variable, the connection would end after a line
            next(lines)
            http.post("gradio_api/queue/join", json=body).raise_for_status()
            assert began.wait(20) and not ended.is_set()
    assert ended.wait(5)
    for _ in range(100):
        if not any(path.is_file() for path in uploads.rglob("*")):
            break
        time.sleep(0.02)
    else:
        pytest.fail("the upload remains")
