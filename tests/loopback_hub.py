"""A Hugging Face Hub on this machine, for the real `huggingface_hub` client.

It creates repositories, takes uploads, and serves downloads by branch, tag or commit. A process that uses it must
start with its `environment`, because the client reads these variables when it is imported.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


USER, TOKEN = "someone", "hf_loopback"
LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".png", ".mp4")


@dataclass
class Repository:
    """Commits with all their files, and the names (branches, tags) of commits."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    private: bool = False

    def commit(self, ref: str, tree: dict[str, bytes], message: str) -> str:
        content = repr((len(self.commits), sorted((path, _blob_oid(data)) for path, data in tree.items())))
        sha = hashlib.sha1(content.encode()).hexdigest()
        self.commits[sha] = tree
        self.refs[ref] = sha
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str | None:
        revision = unquote(revision)
        return self.refs.get(revision, revision if revision in self.commits else None)


class LoopbackHub:
    """The server. It runs inside the context of the context manager.

    Attributes:
        url: Its address.
        repositories: By full name, `someone/model`.
        requests: Method and path of every call, in order.
    """

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}  # files of LFS by SHA-256
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()

    def environment(self, home) -> dict[str, str]:
        """Environment variables for a process that uses this hub. `home` is the folder of its cache."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",  # with Xet, uploads need a storage server
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def add(self, repository: str, tree: dict[str, bytes]):
        """Add a repository with these files."""
        self.repositories[repository] = Repository()
        self.repositories[repository].commit("main", tree, "initial commit")

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes]:
        """The files of a revision of a repository, by name."""
        stored = self.repositories[repository]
        return stored.commits[stored.resolve(revision)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    ROUTES = [
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/repos/create", "create_repository"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/(?P<oid>\w+)", "lfs_upload"),
        ("POST", r"/lfs/(?P<oid>\w+)/verify", "lfs_verify"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", "commit"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/branch/(?P<name>[^/]+)", "create_branch"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/tag/(?P<revision>[^/]+)", "create_tag"),
        ("GET", r"/api/models/(?P<repo>[^/]+/[^/]+)", "describe"),
        ("GET", r"/api/models/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)", "describe"),
        ("GET", r"/api/models/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(/.*)?", "list_tree"),
        ("GET", r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    ]

    def handle_one(self):
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path))
        self.body = self._read_body()
        method = "GET" if self.command == "HEAD" else self.command
        for route_method, pattern, name in self.ROUTES:
            found = re.fullmatch(pattern, path)
            if not found or route_method != method:
                continue
            if method in ("POST", "PUT") and not name.startswith("lfs_") and not self._is_signed_in():
                self._fail(401, "Unauthorized")
                return
            with self.hub.lock:
                getattr(self, name)(**found.groupdict())
            return
        self._fail(404, "NotFound")

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

    # Calls

    def whoami(self):
        if not self._is_signed_in():
            self._fail(401, "Unauthorized")
            return
        self._send_json({"type": "user", "name": USER, "auth": {"accessToken": {"role": "write"}}, "orgs": []})

    def create_repository(self):
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        is_new = name not in self.hub.repositories
        if is_new:
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.hub.repositories[name] = Repository(private=private)
            self.hub.repositories[name].commit("main", {}, "initial commit")
        self._send_json({"url": f"{self.hub.url}/{name}"}, status=200 if is_new else 409)

    def validate_yaml(self):
        self._send_json({"errors": [], "warnings": []})

    def preupload(self, repo, revision):
        tree = self._tree(repo, revision)
        if tree is None:
            return
        files = []
        for file in json.loads(self.body)["files"]:
            is_large = file["path"].endswith(LFS_SUFFIXES)
            stored = tree.get(file["path"])
            oid = None if stored is None else (_sha256(stored) if is_large else _blob_oid(stored))
            mode = "lfs" if is_large else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._send_json({"files": files})

    def lfs_batch(self, repo):
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                href = f"{self.hub.url}/lfs/{wanted['oid']}"
                answer["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(answer)
        self._send_json({"transfer": "basic", "objects": objects})

    def lfs_upload(self, oid):
        if _sha256(self.body) != oid:
            self._fail(422, "WrongContent")
            return
        self.hub.objects[oid] = self.body
        self._send(b"")

    def lfs_verify(self, oid):
        size = json.loads(self.body)["size"]
        if len(self.hub.objects.get(oid, b"")) != size:
            self._fail(404, "EntryNotFound")
            return
        self._send_json({})

    def commit(self, repo, revision):
        tree = self._tree(repo, revision)
        if tree is None:
            return
        tree, message = dict(tree), ""
        for line in self.body.decode().splitlines():
            item = json.loads(line)
            kind, value = item["key"], item["value"]
            if kind == "header":
                message = value["summary"]
            elif kind == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                tree[value["path"]] = self.hub.objects[value["oid"]]
            elif kind == "deletedFile":
                del tree[value["path"]]
        sha = self.hub.repositories[repo].commit(unquote(revision), tree, message)
        self._send_json({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}"})

    def create_branch(self, repo, name):
        stored = self.hub.repositories[repo]
        stored.refs.setdefault(unquote(name), stored.refs["main"])
        self._send_json({})

    def create_tag(self, repo, revision):
        stored = self.hub.repositories[repo]
        stored.refs[json.loads(self.body)["tag"]] = stored.resolve(revision)
        self._send_json({})

    def describe(self, repo, revision="main"):
        tree = self._tree(repo, revision)
        if tree is None:
            return
        stored = self.hub.repositories[repo]
        siblings = [{"rfilename": path} for path in sorted(tree)]
        sha = stored.resolve(revision)
        self._send_json({"id": repo, "sha": sha, "private": stored.private, "tags": [], "siblings": siblings})

    def list_tree(self, repo, revision):
        tree = self._tree(repo, revision)
        if tree is None:
            return
        files = []
        for path, content in sorted(tree.items()):
            files.append({"type": "file", "path": path, "size": len(content), "oid": _blob_oid(content)})
            if path.endswith(LFS_SUFFIXES):
                files[-1]["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 134}
        self._send_json(files)

    def resolve(self, repo, revision, path):
        tree = self._tree(repo, revision)
        if tree is None:
            return
        content = tree.get(unquote(path))
        commit = self.hub.repositories[repo].resolve(revision)
        if content is None:
            self._fail(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        oid = _sha256(content) if path.endswith(LFS_SUFFIXES) else _blob_oid(content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{oid}"', "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = map(int, asked.groups())
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self._send(content[first : last + 1], status=206, headers=headers)
            return
        self._send(content, headers=headers)

    # Answers

    def _is_signed_in(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _tree(self, repo, revision):
        """The files of a revision. If the revision does not exist, sends an error and returns None."""
        stored = self.hub.repositories.get(repo)
        if stored is None or (stored.private and not self._is_signed_in()):
            self._fail(404, "RepoNotFound")
            return None
        commit = stored.resolve(revision)
        if commit is None:
            self._fail(404, "RevisionNotFound")
            return None
        return stored.commits[commit]

    def _read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send_json(self, answer, status=200):
        self._send(json.dumps(answer).encode(), status, {"Content-Type": "application/json"})

    def _fail(self, status, code, headers=None):
        self._send(json.dumps({"error": code}).encode(), status, {"X-Error-Code": code, **(headers or {})})

    def _send(self, content, status=200, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format, *arguments):  # keeps stderr of the tests clean
        pass


def _blob_oid(content: bytes) -> str:
    """The name that git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
