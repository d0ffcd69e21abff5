"""The API endpoints, called over loopback as users call them."""

import json
import urllib.request
from pathlib import Path

import pytest


pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """`serve(demo)`: the client of a running page. Uploads are in `tmp_path / "served"`."""
    pages = []
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))

    def start(demo):
        from lgi_former.inference.demo.page import build_page

        page = build_page(demo, "mae-dfer-dfew")
        pages.append(page)
        _, address, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
        return gradio_client.Client(address, verbose=False, analytics_enabled=False)

    yield start
    for page in pages:
        page.close()
    assert not [path for path in (tmp_path / "served").rglob("*") if path.is_file()]


def test_recognise_returns_the_result_of_the_pipeline(serve, recognition, sample):
    video = gradio_client.handle_file(str(sample))
    result = serve(recognition).predict(video=video, crop_faces=False, api_name="/recognise")
    assert result == json.loads(json.dumps(recognition.recognise(str(sample), False))) | {"video": "sample.mp4"}
    assert result["duration"] == 2.56 and len(result["timeline"]) > 0


def test_reconstruct_returns_the_loss_and_the_figure(serve, reconstruction, sample):
    video = gradio_client.handle_file(str(sample))
    result = serve(reconstruction).predict(video, False, 0.5, 1, api_name="/reconstruct")
    expected = reconstruction(str(sample), False, 0.5, 1)
    assert (result["note"], result["loss"], result["masked"]) == (expected.note, expected.loss, 0.5)
    assert result["figure"].startswith("data:image/png;base64,")


def test_a_broken_or_missing_video_is_an_error_in_a_sentence(serve, recognition, tmp_path):
    client = serve(recognition)
    broken = tmp_path / "broken.mp4"
    broken.write_text("not a video")
    with pytest.raises(gradio_client.exceptions.AppError, match=r"^'broken.mp4' is not a video, or is damaged"):
        client.predict(gradio_client.handle_file(str(broken)), True, api_name="/recognise")
    with pytest.raises(gradio_client.exceptions.AppError, match=r"^Choose a video first"):
        client.predict(None, True, api_name="/recognise")


def test_files_of_the_server_are_neither_read_nor_deleted(serve, recognition, sample):
    address = f"{serve(recognition).src}gradio_api/call/recognise"
    data = {"data": [{"path": str(sample), "meta": {"_type": "gradio.FileData"}}, False]}
    request = urllib.request.Request(address, json.dumps(data).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}") as answer:
        assert b"event: error" in answer.read()
    assert Path(sample).exists()


def test_the_buttons_are_no_endpoints(serve, recognition):
    assert list(serve(recognition).view_api(return_format="dict")["named_endpoints"]) == ["/recognise"]
