"""The page: its functions without a browser, and a Space in a browser."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lgi_former import LGIFormerForVideoClassification
from lgi_former.inference.demo import export_space


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
    from lgi_former.inference.demo.page import build_page

    page = build_page(demo, "mae-dfer-dfew")
    (event,) = page.fns.values()
    return page, event


def test_a_video_is_answered_and_the_input_emptied(recognition, upload):
    answer = build(recognition)[1].fn
    video = upload({80: (0, 49)})
    shown, note, html, timeline, rows = answer(video, True)
    assert shown is None and not Path(video).exists()
    assert note.startswith("Mostly ")
    assert html.startswith('<video src="data:video/mp4;base64,')
    assert timeline is not None and len(rows) == 1


def test_a_video_is_reconstructed_and_the_input_emptied(reconstruction, upload):
    answer = build(reconstruction)[1].fn
    video = upload({80: (0, 49)})
    shown, note, figure = answer(video, True, 0.75, 0)
    assert shown is None and not Path(video).exists()
    assert note.startswith("Loss ") and figure is not None


@pytest.mark.parametrize("kind", ["recognition", "reconstruction"])
def test_a_broken_or_missing_upload_has_an_error(kind, request, tmp_path):
    answer = build(request.getfixturevalue(kind))[1].fn
    broken = tmp_path / "folder" / "broken.mp4"
    broken.parent.mkdir()
    broken.write_text("not a video")
    settings = (True,) if kind == "recognition" else (True, 0.75, 0)
    assert answer(str(broken), *settings)[1].startswith("**No answer.** 'broken.mp4' is not a video")
    assert not broken.exists()
    assert answer(None, *settings)[1].startswith("**No answer.** Choose a video first")


def test_the_page_has_a_warning_limits_and_no_analytics(recognition):
    page, event = build(recognition)
    texts = [component["props"].get("value") for component in page.config["components"]]
    assert any("prohibited with few exceptions" in str(text) for text in texts)
    assert any("100 MB and 60 seconds" in str(text) for text in texts)
    assert event.concurrency_limit == 1
    assert not page.analytics_enabled


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
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*QUIET_CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")
def test_a_clip_and_a_broken_file_are_answered_in_a_browser(browser, space, sample):
    address, temporary = space
    broken = sample.with_name("broken.mp4")
    broken.write_text("not a video")
    browser.get(address)
    _wait(browser, lambda: _find(browser, "input[type=checkbox]")).click()  # the sample is a face that fills the frame
    assert "Mostly " in _ask(browser, sample)
    video = _wait(browser, lambda: _find(browser, "#annotated video"))
    _wait(browser, lambda: browser.execute_script("return arguments[0].readyState >= 2", video))
    assert _find(browser, "#timeline img") and "happy" in _find(browser, "#scores").text
    assert "'broken.mp4' is not a video" in _ask(browser, broken)
    assert not _find(browser, "#annotated video")
    assert not list(temporary.rglob("*.mp4"))


def _ask(browser, video) -> str:
    before = _find(browser, "#note").text
    _wait(browser, lambda: _find(browser, "#upload input[type=file]")).send_keys(str(video))
    _wait(browser, lambda: _find(browser, "#upload video"))
    _find(browser, "#submit").click()
    return _wait(browser, lambda: _answer(browser, before))


def _answer(browser, before) -> str | None:
    text = _find(browser, "#note").text
    is_old = bool(before) and before in text  # the page may show the time above the old answer
    return text if not is_old and ("No answer" in text or "Mostly" in text) else None


def _find(browser, selector):
    found = browser.find_elements("css selector", selector)
    return found[0] if found else None


def _wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda _: condition())
