"""Limits of requests to the demo, and `/health`, in front of an application that stands for Gradio's."""

import asyncio
import json

import pytest


pytest.importorskip("gradio")
from starlette.requests import Request
from starlette.testclient import TestClient

from lgi_former.inference.demo import UploadLimits, gate
from lgi_former.inference.demo.visitors import Visitors


ADDRESS = "203.0.113.7"


@pytest.fixture
def client(tmp_path):
    """`client(address)`: a client of a gate with small limits. Uploads are stored as Gradio does."""
    names = iter(range(1000))

    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        answer = b"{}"
        if scope["path"] == gate.UPLOAD:
            path = tmp_path / f"{next(names)}.mp4"
            path.write_bytes(body)
            answer = json.dumps([str(path)]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    limits = UploadLimits(max_megabytes=0.5, max_total_megabytes=2)
    gated = gate.Gate(app, limits, tmp_path, "mae-dfer-dfew", Visitors())
    return lambda address=ADDRESS: TestClient(gated, client=(address, 5000))


def upload(client, kilobytes=1):
    return client.post(gate.UPLOAD, content=bytes(kilobytes * 1024))


def test_health_is_an_answer_in_json(client, tmp_path):
    (tmp_path / "a.mp4").write_bytes(bytes(1024 * 1024))
    assert client().get("/health").json() == {
        "status": "ok",
        "model": "mae-dfer-dfew",
        "uploads": 1,
        "upload_megabytes": 1.0,
        "max_total_megabytes": 2,
    }
    assert client().head("/health").status_code == 200


def test_a_request_has_a_size_and_a_limit(client):
    assert upload(client(), 512).status_code == 200
    answer = upload(client(), 1024)
    assert answer.status_code == 413 and answer.text.startswith("The request is larger than the 0.562 MB")
    for path in (gate.UPLOAD, f"{gate.API}/stream/a", f"{gate.API}/component_server"):
        assert client().post(path, content=iter([b"a", b"b"])).status_code == 411
        chunked = {"Transfer-Encoding": "chunked", "Content-Length": "2"}
        assert client().post(path, content=b"ab", headers=chunked).status_code == 411
    assert client().post(f"{gate.API}/queue/join", content=bytes(gate.LARGEST_BODY + 1)).status_code == 413


def test_uploads_have_a_quota_until_they_are_deleted(client, tmp_path):
    answers = [upload(client(f"203.0.113.{number}"), 500) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [507] * 2
    assert answers[-1].text == "Too many videos wait for answers. Try again in some minutes."
    assert answers[-1].headers["retry-after"] == "60"
    next(tmp_path.iterdir()).unlink()
    assert upload(client("203.0.113.9"), 500).status_code == 200


def test_space_of_arriving_uploads_counts_and_is_given_back(client):
    gated = client().app
    with gated._space_for(1024 * 1024), pytest.raises(gate.Refusal), gated._space_for(1200 * 1024):
        pytest.fail("there is no space")
    with gated._space_for(2 * 1024 * 1024):
        pass


def test_an_address_has_a_few_uploads_without_an_answer(client, tmp_path):
    for _ in range(gate.UNANSWERED_UPLOADS):
        assert upload(client()).status_code == 200
    answer = upload(client())
    assert answer.status_code == 429 and "5 videos of your address have no answer yet" in answer.text
    assert upload(client("203.0.113.8")).status_code == 200
    next(iter(tmp_path.iterdir())).unlink()
    assert upload(client()).status_code == 200


@pytest.mark.parametrize("path", [f"{gate.API}/queue/join", f"{gate.API}/call/recognise", f"{gate.API}/run/answer"])
def test_an_address_has_a_rate(path, client, monkeypatch):
    monkeypatch.setattr(gate.time, "monotonic", lambda: 600.0)
    status = [client().post(path, content=b"{}").status_code for _ in range(gate.REQUESTS_A_MINUTE + 1)]
    assert status == [200] * gate.REQUESTS_A_MINUTE + [429]
    assert client("203.0.113.8").post(path, content=b"{}").status_code == 200
    assert client().get("/").status_code == 200
    assert client().post(f"{gate.API}/stream/a", content=b"a").status_code == 200  # pictures of a camera
    monkeypatch.setattr(gate.time, "monotonic", lambda: 660.0)
    assert client().post(path, content=b"{}").status_code == 200


def test_addresses_of_one_network_share_a_rate_and_this_machine_has_none(client, monkeypatch):
    monkeypatch.setattr(gate, "REQUESTS_A_MINUTE", 2)
    monkeypatch.setattr(gate.time, "monotonic", lambda: 600.0)
    join = f"{gate.API}/queue/join"
    status = [client(f"2001:db8::{number}").post(join, content=b"{}").status_code for number in range(1, 4)]
    assert status == [200, 200, 429]
    assert {client(here).post(join, content=b"{}").status_code for here in ("127.0.0.1", "::1") * 3} == {200}


def test_senders_with_ipv4_on_a_server_with_ipv6_are_distinct(client):
    senders = [client(f"::ffff:{address}") for address in ("127.0.0.1", ADDRESS, "203.0.113.8")]
    addresses = [gate._address(Request({"type": "http", "client": sender._transport.client})) for sender in senders]
    assert addresses == [None, ADDRESS, "203.0.113.8"]


def test_a_slow_upload_ends(client, monkeypatch, tmp_path):
    monkeypatch.setattr(gate, "UPLOAD_SECONDS", 0.01)
    gated = client().app

    async def receive():
        await asyncio.sleep(10)

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", b"9")]
    scope = {"type": "http", "method": "POST", "path": gate.UPLOAD, "headers": headers, "query_string": b""}
    asyncio.run(gated(scope, receive, send))
    assert sent[0]["status"] == 408 and gated._arriving == 0 and not list(tmp_path.iterdir())
