"""Limits of requests to the demo, and `/health`. Gradio itself limits only the size of one file."""

import asyncio
import contextlib
import ipaddress
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse

from .uploads import MEGABYTE, UploadLimits
from .visitors import Visitors


API = "/gradio_api"
UPLOAD, HEARTBEAT = f"{API}/upload", f"{API}/heartbeat/"
STARTS = (UPLOAD, *(f"{API}/{name}" for name in ("queue/join", "call/", "run/", "api/")))
"""Beginnings of the paths of requests that start work. Pictures of a camera have other paths."""

REQUESTS_A_MINUTE = 60  # of one address; a click sends two or three
UNANSWERED_UPLOADS = 5  # of one address
UPLOAD_SECONDS = 600.0
BESIDE_THE_FILE = 64 * 1024  # bytes of an upload that are not the file
LARGEST_BODY = 8 * MEGABYTE  # of other requests, such as a picture of a camera


class Refusal(Exception):
    """A request that is not served. The message is a sentence for its sender."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Gate:
    """An ASGI application in front of that of Gradio. It answers `/health` and refuses requests beyond the limits.

    Requests from this machine have no limit of rate and number.

    Args:
        app: The application of Gradio.
        limits: Limits of uploads.
        folder: The folder of uploads.
        model_name: Name of the model, for `/health`.
        visitors: The object that the page has, too.
    """

    def __init__(self, app, limits: UploadLimits, folder: str | os.PathLike, model_name: str, visitors: Visitors):
        self._app, self._limits, self._folder, self._model_name = app, limits, Path(folder), model_name
        self._visitors = visitors
        self._arriving = 0  # bytes of uploads that are not on disk yet
        self._minute, self._requests = 0, Counter[str]()

    async def __call__(self, scope, receive, send):
        """Serve a request, or refuse it with a sentence."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        if request.method in ("GET", "HEAD") and request.scope["path"] == "/health":
            return await JSONResponse(self._health())(scope, receive, send)
        try:
            self._check_size(request)
            if request.method == "POST" and request.scope["path"].startswith(STARTS):
                self._check_rate(request)
            if request.scope["path"].startswith(HEARTBEAT):
                return await self._watch_page(request, receive, send)
            if not _is_upload(request):
                return await self._app(scope, receive, send)
            with self._space_for(int(request.headers["content-length"])):
                return await self._receive_upload(request, receive, send)
        except Refusal as refusal:
            headers = {"Retry-After": "60"} if refusal.status in (429, 507) else {}
            await PlainTextResponse(str(refusal), refusal.status, headers)(scope, receive, send)

    def _health(self) -> dict:
        uploads = self._stored()
        return {
            "status": "ok",
            "model": self._model_name,
            "uploads": len(uploads),
            "upload_megabytes": round(sum(uploads.values()) / MEGABYTE, 1),
            "max_total_megabytes": self._limits.total_megabytes,
        }

    def _check_size(self, request: Request):
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        length = request.headers.get("content-length")
        # A body in chunks has no size, also if a second header gives one.
        if length is None or not length.isdecimal() or "transfer-encoding" in request.headers:
            raise Refusal(411, "The request does not say its size. Send it with the header Content-Length.")
        most = LARGEST_BODY
        if _is_upload(request):
            most = self._limits.max_megabytes * MEGABYTE + BESIDE_THE_FILE
        if int(length) > most:
            raise Refusal(413, f"The request is larger than the {most / MEGABYTE:.3g} MB that are accepted here.")

    def _check_rate(self, request: Request):
        self._visitors.forget_deleted()
        address = _address(request)
        if address is None:
            return
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._requests = minute, Counter()
        self._requests[address] += 1
        if self._requests[address] > REQUESTS_A_MINUTE:
            raise Refusal(429, f"Your address sent more than {REQUESTS_A_MINUTE} requests in a minute. Wait a minute.")
        if _is_upload(request) and self._visitors.num_unanswered(address) >= UNANSWERED_UPLOADS:
            raise Refusal(
                429,
                f"{UNANSWERED_UPLOADS} videos of your address have no answer yet. Ask for answers to them, or wait "
                "until they are deleted.",
            )

    @contextlib.contextmanager
    def _space_for(self, size: int) -> Iterator[None]:
        stored = sum(self._stored().values()) + self._arriving
        if stored + size > self._limits.total_megabytes * MEGABYTE + BESIDE_THE_FILE:
            raise Refusal(507, "Too many videos wait for answers. Try again in some minutes.")
        self._arriving += size
        try:
            yield
        finally:
            self._arriving -= size

    def _stored(self) -> dict[Path, int]:
        """The size in bytes of each upload."""
        sizes = {}
        for path in self._folder.rglob("*"):
            with contextlib.suppress(OSError):  # an answer has deleted it
                sizes |= {path: path.stat().st_size} if path.is_file() else {}
        return sizes

    async def _receive_upload(self, request: Request, receive, send):
        answer = bytearray()

        async def send_and_note(message):
            answer.extend(message.get("body", b""))
            await send(message)

        try:
            await asyncio.wait_for(self._app(request.scope, receive, send_and_note), UPLOAD_SECONDS)
        except asyncio.TimeoutError:
            raise Refusal(408, f"The upload took more than {UPLOAD_SECONDS / 60:.0f} minutes.") from None
        address = _address(request)
        with contextlib.suppress(ValueError):  # Gradio answers with the paths, or with the reason of a refusal
            for path in json.loads(answer):
                self._visitors.sent(path, address)

    async def _watch_page(self, request: Request, receive, send):
        """Serve the connection of an open page. Gradio itself notices its end only after 15 seconds."""
        page = asyncio.create_task(self._app(request.scope, receive, send))
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._visitors.leave(request.scope["path"].removeprefix(HEARTBEAT))
            page.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await page


def behind_gate(limits: UploadLimits, folder: str | os.PathLike, model_name: str, visitors: Visitors) -> dict:
    """The `app_kwargs` of a page of Gradio that put a `Gate` with these arguments in front of it."""
    return {"middleware": [Middleware(Gate, limits, folder, model_name, visitors)]}


def _is_upload(request: Request) -> bool:
    return request.method == "POST" and request.scope["path"].rstrip("/") == UPLOAD


def _address(request: Request) -> str | None:
    """The address of a sender; None for this machine. A sender with IPv6 has a network of addresses."""
    try:
        address = ipaddress.ip_address(request.client.host.partition("%")[0])
    except (AttributeError, ValueError):  # no address, or the name of a test client
        return None
    if address.version == 6:
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))
