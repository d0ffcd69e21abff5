"""The page: its functions without a browser, and a Space in a browser."""

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from lgi_former import LGIFormerForVideoClassification
from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits, export_space
from lgi_former.inference.demo.answers import Recognition
from lgi_former.inference.demo.example import draw_example


pytest.importorskip("gradio")

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET_CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1500",
]


# Without a browser


def build(demo):
    """The page and its events by the names of their functions."""
    from lgi_former.inference.demo.page import build_page

    page = build_page(demo, "mae-dfer-dfew")
    return page, {event.fn.__name__: event for event in page.fns.values()}


def test_a_video_is_answered_and_the_input_emptied(recognition, upload):
    answer = build(recognition)[1]["answer"].fn
    video = upload({80: (0, 49)})
    shown, note, *parts = answer(video, True)
    assert shown is None and not Path(video).exists()
    assert note["value"].startswith("The highest score is ")
    assert all(part["visible"] for part in parts)
    annotated, details = (part["value"] for part in parts)
    assert annotated.startswith('<video src="data:video/mp4;base64,')
    assert 'src="data:image/png;base64,' in details
    assert "person 1" in details and re.search(r"\d\.\d%", details)


def test_a_video_is_reconstructed_and_the_input_emptied(reconstruction, upload):
    answer = build(reconstruction)[1]["answer"].fn
    video = upload({80: (0, 49)})
    shown, note, figure = answer(video, True, 0.75, 0)
    assert shown is None and not Path(video).exists()
    assert note["value"].startswith("75% of the clip was masked.")
    assert figure["visible"] and 'src="data:image/png;base64,' in figure["value"]


@pytest.mark.parametrize("kind", ["recognition", "reconstruction"])
def test_the_example_is_answered_and_deleted(kind, request, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings = (False,) if kind == "recognition" else (False, 0.75, 0)
    _, *parts = build(request.getfixturevalue(kind))[1]["answer_example"].fn(*settings)
    assert all(part["visible"] and part["value"] for part in parts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["recognition", "reconstruction"])
def test_a_broken_or_missing_upload_has_an_error_and_nothing_else(kind, request, tmp_path):
    answer = build(request.getfixturevalue(kind))[1]["answer"].fn
    broken = tmp_path / "folder" / "broken.mp4"
    broken.parent.mkdir()
    broken.write_text("not a video")
    settings = (True,) if kind == "recognition" else (True, 0.75, 0)
    _, note, *parts = answer(str(broken), *settings)
    assert note["value"].startswith(r"**No answer.** \'broken\.mp4\' is not a video")
    assert not broken.exists() and not any(part["visible"] for part in parts)
    assert answer(None, *settings)[1]["value"].startswith("**No answer.** Choose a video first")


@pytest.mark.parametrize("kind", ["recognition", "reconstruction"])
def test_a_click_removes_the_old_answer_before_it_waits_for_the_new_one(kind, request):
    page, _ = build(request.getfixturevalue(kind))
    events = page.config["dependencies"]
    answers = [event for event in events if page.fns[event["id"]].fn.__name__ in ("answer", "answer_example")]
    assert len(answers) == 2
    for event in answers:
        (clear,) = (other for other in events if other["id"] == event["trigger_after"])
        assert [name for _, name in clear["targets"]] == ["click"] and not clear["queue"]
        assert clear["outputs"] == [output for output in event["outputs"] if output in clear["outputs"]]
        note, *parts = page.fns[clear["id"]].fn()
        assert note["value"] == "" and not any(part["value"] or part["visible"] for part in parts)
        assert len(parts) == (2 if kind == "recognition" else 1)


def test_the_page_has_a_warning_limits_and_no_analytics(recognition):
    page, events = build(recognition)
    texts = [str(text) for text in _texts(page)]
    assert any("prohibited with few exceptions" in text for text in texts)
    assert any("100 MB and 60 seconds" in text for text in texts)
    queued = [event for name, event in events.items() if name not in ("<lambda>", "answer_picture")]
    assert {(event.concurrency_limit, event.concurrency_id) for event in queued} == {(1, "answers")}
    assert not page.analytics_enabled


def test_uploads_that_nobody_asks_about_are_deleted_after_half_an_hour(recognition):
    assert build(recognition)[0].delete_cache == (60, 30 * 60)


def test_parts_of_an_answer_are_hidden_before_there_is_one(recognition):
    components = {part["props"].get("elem_id"): part["props"] for part in build(recognition)[0].config["components"]}
    assert not any(components[name]["visible"] for name in ("annotated", "details"))
    assert "The answer appears here." in components["note"]["value"]


@pytest.mark.parametrize(
    ("fields", "meaning"),
    [
        ({}, "A score is the softmax of a model that was trained on one label per clip"),
        (
            {"problem_type": "multi_label_classification"},
            "A score is the sigmoid of a model that was trained on several",
        ),
        ({"problem_type": "regression"}, "A value is the output of a model that was trained on numbers"),
    ],
    ids=["one label", "several labels", "numbers"],
)
def test_the_page_says_what_a_score_is(fields, meaning, tiny_model, tiny_processor):
    page, _ = build(Recognition(tiny_model(**fields), tiny_processor(), UploadLimits(), FaceCropper()))
    (text,) = (text for text in map(str, _texts(page)) if "Use with care" in text)
    text = text.replace("\\", "")
    assert meaning in text and ("A score" in text) == meaning.startswith("A score")
    assert "It is not a measurement of what somebody feels." in text
    assert "annotators would" not in text


def _texts(page):
    return [component["props"].get("value") for component in page.config["components"]]


# In a browser


@pytest.fixture
def space(installed_with_demo, save_tiny_model, tmp_path):
    """The address of a running Space, and its temporary folder."""
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ("happy", "sad"))
    export_space(str(tmp_path / "model"), tmp_path / "space")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "GRADIO_SERVER_PORT": port, "TMPDIR": str(tmp_path / "temporary")}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path / "space", env=environment) as server:
        try:
            _wait_until_it_listens(server, int(port))
            yield f"http://127.0.0.1:{port}", tmp_path / "temporary"
        finally:
            server.terminate()
            server.wait(30)
    assert not list((tmp_path / "temporary").glob("lgi-former-demo-*"))


def _wait_until_it_listens(server, port):
    for _ in range(240):
        assert server.poll() is None, "the server has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.5)
    pytest.fail("the server does not listen")


@pytest.fixture
def browser(tmp_path):
    """A browser whose camera shows the drawn example, forwards and backwards."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    camera = [
        "--use-fake-ui-for-media-stream",  # nobody is asked for access
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={_write_camera(tmp_path / 'camera.mjpeg')}",
    ]
    for argument in [*QUIET_CHROMIUM, *camera, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


def _write_camera(path):
    with av.open(io.BytesIO(draw_example())) as example:
        frames = [frame.reformat(format="yuvj420p") for frame in example.decode(video=0)]
    with av.open(str(path), "w", format="mjpeg") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuvj420p"
        for index, frame in enumerate([*frames, *reversed(frames)]):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


PARTS = ("#annotated", "#timeline", "#scores")
RECORD_STATES = """
window.states = [];
setInterval(() => window.states.push([
    document.querySelector('#note').innerText.includes('highest score'),
    document.querySelector('#annotated video') !== null,
]), 10);
"""


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")
def test_a_clip_and_a_broken_file_are_answered_in_a_browser(browser, space, sample):
    address, temporary = space
    broken = sample.with_name("broken.mp4")
    broken.write_text("not a video")
    _resize(browser, 390)
    browser.get(address)
    _wait(browser, lambda: _find(browser, "input[type=checkbox]")).click()  # the sample is a face that fills the frame
    assert not any(_find(browser, part) for part in PARTS)
    _ask(browser, sample)
    assert "The highest score is " in _wait_for_answer(browser)
    video = _wait(browser, lambda: _find(browser, "#annotated video"))
    _wait(browser, lambda: browser.execute_script("return arguments[0].readyState >= 2", video))
    assert _find(browser, "#timeline img") and "%" in _find(browser, "#scores").text
    for width in (390, 1280):
        _resize(browser, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_script(RECORD_STATES)
    _find(browser, "#example").click()
    _wait(browser, lambda: [False, False] in _states(browser))  # the old answer has disappeared
    assert "The highest score is " in _wait_for_answer(browser)
    states = _states(browser)
    assert [True, True] in states[states.index([False, False]) :]
    _ask(browser, broken)
    assert "'broken.mp4' is not a video" in _wait(browser, lambda: _note(browser, "No answer"))
    assert not any(_find(browser, part) for part in PARTS)
    assert not list(temporary.rglob("*.mp4"))


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")
def test_a_camera_is_answered_live_in_a_browser(browser, space):
    address, temporary = space
    browser.get(address)
    _wait(browser, lambda: len(browser.find_elements("css selector", "button[role=tab]")) == 2)
    browser.find_elements("css selector", "button[role=tab]")[1].click()
    _wait(browser, lambda: _find(browser, "#camera [title='grant webcam access'] button")).click()
    _wait(browser, lambda: _find(browser, "#camera .button-wrap button")).click()
    _wait(browser, lambda: "Scores follow the picture by" in _find(browser, "#live-note").text)
    scores = _find(browser, "#live-scores").text
    assert "person 1" in scores and "happy" in scores and "%" in scores
    _wait(browser, lambda: _find(browser, "#live-scores").text not in ("", scores))  # later windows follow
    assert not [path for path in temporary.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png", ".webp")]


def _resize(browser, width):
    size = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def _states(browser):
    return browser.execute_script("return window.states")


def _ask(browser, video):
    _wait(browser, lambda: _find(browser, "#upload input[type=file]")).send_keys(str(video))
    _wait(browser, lambda: _find(browser, "#upload video"))
    _find(browser, "#submit").click()


def _wait_for_answer(browser) -> str:
    return _wait(browser, lambda: _find(browser, "#annotated video") and _note(browser, "highest score"))


def _note(browser, part) -> str | None:
    text = _find(browser, "#note").text
    return text if part in text else None


def _find(browser, selector):
    found = browser.find_elements("css selector", selector)
    return found[0] if found else None


def _wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda _: condition())
