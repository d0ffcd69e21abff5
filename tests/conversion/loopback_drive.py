"""A Google Drive on this machine: an HTTPS proxy that answers for `drive.google.com` itself.

gdown goes through it when `HTTPS_PROXY` and `REQUESTS_CA_BUNDLE` name it. No other host is reachable.
"""

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import trustme


# gdown reads a page line by line, so the form stands in one line, as on the real page.
CONFIRMATION = (
    "<!DOCTYPE html><html><body><p>Google Drive can't scan this file for viruses.</p>"
    '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="{file_id}"><input type="hidden" name="export" value="download">'
    '<input type="hidden" name="confirm" value="t"></form></body></html>'
)
REFUSAL = """<!DOCTYPE html><html><body><p class="uc-error-caption">Sorry</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>"""


class LoopbackDrive(contextlib.AbstractContextManager):
    """
    Attributes:
        files: Content of each file by its identifier. A file that is missing here is refused.
        large: Identifiers of files with a confirmation page before them.
        pages: Identifiers of files for which a web page comes under the name of the file.
        cuts: Number of bytes by identifier after which the connection ends, once.
        requests: Path and `Range` header of each request.
    """

    def __init__(self, folder):
        self.files, self.large, self.pages, self.cuts, self.requests = {}, set(), set(), {}, []
        authority = trustme.CA()
        self.certificates = folder / "loopback_drive.pem"
        authority.cert_pem.write_to_path(self.certificates)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = "drive.google.com", "drive.usercontent.google.com"
        authority.issue_cert(*names).configure_cert(self.context)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"drive": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def environment(self):
        """Variables that send gdown here."""
        proxy = f"http://127.0.0.1:{self.server.server_port}"
        return {"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": str(self.certificates), "NO_PROXY": ""}

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    drive: LoopbackDrive
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.drive.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        file_id = query["id"][0]
        self.drive.requests.append((self.path, self.headers.get("Range")))
        if file_id in self.drive.pages:
            self._answer(REFUSAL.encode(), {"Content-Disposition": 'attachment; filename="model.pth"'})
        elif file_id not in self.drive.files:
            self._answer(REFUSAL.encode())
        elif file_id in self.drive.large and "confirm" not in query:
            self._answer(CONFIRMATION.format(file_id=file_id).encode())
        else:
            self._send_file(file_id)

    def _send_file(self, file_id):
        content = self.drive.files[file_id]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        headers = {"Content-Type": "application/octet-stream"}
        headers["Content-Disposition"] = 'attachment; filename="model.pth"'
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        end = self.drive.cuts.pop(file_id, len(content))
        self._answer(content[start:], headers, status=206 if start else 200, send=max(end - start, 0))

    def _answer(self, body, headers=None, status=200, send=None):
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if send is None else body[:send])
        self.close_connection = send is not None and send < len(body)
        if self.close_connection:
            self.connection.close()

    def log_message(self, *arguments):
        pass
