"""An answer ends when nobody waits for it."""

from pathlib import Path
from types import SimpleNamespace

import pytest


pytest.importorskip("gradio")

from lgi_former.inference.demo.page import build_page
from lgi_former.inference.demo.visitors import NotAnsweredError, Visitors


def test_only_the_session_that_left_is_ended():
    visitors = Visitors()
    with visitors.presence("a") as check, visitors.presence("b") as other:
        check(0.0)
        visitors.leave("a")
        other(0.0)
        with pytest.raises(NotAnsweredError, match="The page was closed"):
            check(0.0)
    visitors.leave("a")
    with visitors.presence("a") as check, visitors.presence(None):
        check(0.0)


@pytest.mark.parametrize("kind", ["recognition", "reconstruction"])
def test_an_answer_ends_at_the_next_frame_and_the_upload_is_deleted(kind, request, upload, caplog):
    demo = request.getfixturevalue(kind)
    visitors = Visitors()
    page = build_page(demo, "mae-dfer-dfew", visitors)
    events = {event.fn.__name__: event.fn for event in page.fns.values()}
    cropper = demo.pipeline._face_cropper if kind == "recognition" else demo._face_cropper
    frames, detect = [], cropper.detector

    def leave_at_the_second_frame(image):
        frames.append(image)
        if len(frames) == 2:
            visitors.leave("a")
        return detect(image)

    cropper.detector = leave_at_the_second_frame
    video = upload({80: (0, 49)})
    settings = (True,) if kind == "recognition" else (True, 0.75, 0)
    _, note, *parts = events["answer"](video, *settings, SimpleNamespace(session_hash="a"))
    assert note["value"] == r"**No answer.** The page was closed before the answer was complete\."
    assert not Path(video).exists() and not any(part["visible"] for part in parts)
    assert len(frames) <= 3 and not caplog.records
