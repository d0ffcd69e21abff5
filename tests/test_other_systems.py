"""What Windows and macOS need, as far as Linux can show it: paths, text files, consoles and spawned workers."""

import ast
import contextlib
import io
import json
import ntpath
import os
import shutil
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from PIL import Image

import lgi_former
from lgi_former import LGIFormerForVideoClassification
from lgi_former.commands.cli import main
from lgi_former.messages import command_line
from lgi_former.training.data import class_folders, shard_index
from lgi_former.training.data.shard_index import Shard
from lgi_former.training.preparation import parallel
from lgi_former.training.preparation.shards import joining


ROOT = Path(lgi_former.__file__).parent
ROOMS = [path.parent for path in ROOT.glob("*/__init__.py")]
FILES = [*ROOT.glob("*.py"), *(file for room in ROOMS for file in room.rglob("*.py"))]

LINUX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
LINUX_NAMES = {
    *("fork", "forkpty", "getuid", "geteuid", "getpgid", "killpg", "mkfifo", "nice", "sched_getaffinity", "setsid"),
    *("statvfs", "uname", "SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2"),
}
LINUX_FOLDERS = ("/dev/", "/proc/", "/sys/", "/tmp/")


def only_on_linux(code):
    """What a code uses that Windows lacks, as `line: name`. Names are allowed if `hasattr` looks for them."""
    nodes = list(ast.walk(ast.parse(code)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    asked = {ast.literal_eval(call.args[1]) for call in calls if ast.unparse(call).startswith("hasattr(os, ")}
    for node in nodes:
        found = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(name.name for name in node.names)]
            found = LINUX_MODULES.intersection(names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "signal"):
            found = ({node.attr} & LINUX_NAMES) - asked
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = [node.value] if node.value.startswith(LINUX_FOLDERS) else []
        elif isinstance(node, ast.Call) and _opens_text(node):
            found = [f"{ast.unparse(node.func)} without encoding"]
        yield from (f"{node.lineno}: {name}" for name in found)


def _opens_text(call):
    """Whether a call opens a text file without an encoding, which would be cp1252 on many machines with Windows."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if any(keyword.arg in ("encoding", None) for keyword in call.keywords):
        return False
    is_open = isinstance(call.func, ast.Name) and name == "open"
    mode = next((arg.value for arg in call.args[1:2] if isinstance(arg, ast.Constant)), "r")
    return name in ("read_text", "write_text") or (is_open and "b" not in mode)


def test_the_package_needs_no_linux():
    assert len(FILES) > 200
    found = [f"{file.relative_to(ROOT)}, {use}" for file in FILES for use in only_on_linux(file.read_text("utf-8"))]
    cameras = "inference/live_source.py"  # it asks for the platform before it names a camera
    assert not [use for use in found if not (use.startswith(cameras) and use.endswith("/dev/video"))]


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "from resource import getrusage",
        "os.kill(1, signal.SIGKILL)",
        "os.sched_getaffinity(0)",
        "open('/proc/cpuinfo', 'rb')",
        "open('a.txt')",
        "open('a.txt', 'w')",
        "path.read_text()",
        "path.write_text('a')",
    ],
)
def test_what_only_linux_has_is_found(code):
    assert list(only_on_linux(code))
    assert not list(only_on_linux("open('a', 'rb'), path.read_text(encoding='utf-8')"))


SHARD = Shard("shard-000000.tar", 1, 1, "", "")


@pytest.mark.parametrize(
    ("index", "shard", "expected"),
    [
        (r"C:\faces\index.json", "shard-000000.tar", r"C:\faces\shard-000000.tar"),
        ("C:/faces/index.json", "../a/shard-000000.tar", r"C:\faces\..\a\shard-000000.tar"),
        ("C://faces/index.json", "shard-000000.tar", r"C:\faces\shard-000000.tar"),
        (r"\\server\faces\index.json", "shard-000000.tar", r"\\server\faces\shard-000000.tar"),
        (r"faces\index.json", r"D:\shard-000000.tar", r"D:\shard-000000.tar"),
        ("index.json", "shard-000000.tar", "shard-000000.tar"),
        ("s3://faces/index.json", "shard-000000.tar", "s3://faces/shard-000000.tar"),
        (r"C:\faces\index.json", "s3://a/shard-000000.tar", "s3://a/shard-000000.tar"),
    ],
)
def test_shards_lie_beside_their_index_on_windows(index, shard, expected, monkeypatch):
    content = {"shardlist": [vars_of(SHARD) | {"url": shard}], "classes": None}
    monkeypatch.setenv(shard_index.ELSEWHERE, "1")
    monkeypatch.setattr(shard_index, "Path", PureWindowsPath)
    monkeypatch.setattr(shard_index, "read_bytes", lambda url: json.dumps(content).encode())
    assert shard_index.read_index(index).shards[0].url == expected


def vars_of(shard):
    return {name: getattr(shard, name) for name in shard.__dataclass_fields__}


@pytest.mark.parametrize(
    ("shard", "expected"),
    [
        (r"C:\faces\0\shard-000000.tar", "../faces/0/shard-000000.tar"),
        (r"D:\faces\shard-000000.tar", "D:/faces/shard-000000.tar"),
        ("hf://datasets/a/shard-000000.tar", "hf://datasets/a/shard-000000.tar"),
    ],
)
def test_an_index_that_windows_joined_is_read_everywhere(shard, expected, monkeypatch):
    monkeypatch.setattr(joining, "Path", PureWindowsPath)
    monkeypatch.setattr(joining, "os", type("Windows", (), {"path": ntpath}))
    shard = Shard(shard, 1, 1, "", "")
    assert joining._seen_from(PureWindowsPath(r"C:\joined"), shard).url == expected


def test_class_folders_give_the_same_list_on_windows(tmp_path, monkeypatch):
    (tmp_path / "happy").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "happy" / "a.png")
    monkeypatch.setattr(os.path, "join", ntpath.join)
    assert class_folders.list_class_folders(tmp_path).paths.to_pylist() == ["happy/a.png"]


def test_commands_can_be_copied_into_the_command_prompt(monkeypatch):
    words = ("lgi-former", "predict", r"C:\my videos\a.mp4", "--model", r"C:\model")
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_line(*words) == r'lgi-former predict "C:\my videos\a.mp4" --model C:\model'


def test_windows_gets_no_more_processes_than_it_allows(monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "platform", "win32")
    pool = contextlib.nullcontext()
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda number, *_, **__: asked.append(number) or pool)
    with parallel.worker_processes(96, preload="math"):
        assert asked == [61]


CLASSES = ("a", "\u5e78\u305b")  # the second has letters that cp1252 lacks


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, load_module, tiny_recipe):
    """A folder with class folders of two clips each, and a recipe."""
    folder = tmp_path_factory.mktemp("workplace")
    write_clip = load_module(Path(__file__).with_name("training") / "rough_corpus.py").write_clip
    for name in CLASSES:
        (folder / "videos" / name).mkdir(parents=True)
        for number in range(2):
            write_clip(folder / "videos" / name / f"{number}.mp4", grey=100 * number)
    (folder / "tiny.yaml").write_text(f"{tiny_recipe}per_device_train_batch_size: 2\nmax_steps: 2\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_workers_may_be_new_processes(workplace):
    script = Path(__file__).with_name("spawned_workers.py")
    variables = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", script, workplace],
        capture_output=True,
        check=False,
        env=os.environ | variables,
    )
    shown = done.stdout.decode("cp1252")
    assert shown.splitlines()[-1:] == ["statuses [0, 0, 0]"], done.stderr.decode("cp1252")
    assert "\\u5e78\\u305b" in shown
    assert np.load(workplace / "rows.npy").shape == (2, 16)


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_tables_and_progress_bars_fit_every_console(encoding, workplace, tmp_path, save_tiny_model, monkeypatch):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", CLASSES)
    videos = [f"{name}.mp4" for name in CLASSES]
    for video in videos:
        shutil.copy(workplace / "videos" / "a" / "0.mp4", tmp_path / video)
    monkeypatch.chdir(tmp_path)
    streams = [Terminal(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    faces = str(workplace / "videos")
    assert main(["embed", *videos, "--model", "model", "--output", "rows.npy", "--device", "cpu"]) == 0
    assert main(["evaluate", "--model", "model", "--data", faces, "--output_dir", "out", "--use_cpu", "true"]) == 0
    assert main(["prepare", "shards", faces, "shards", "--num_workers", "0"]) == 0
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert "\\u5e78\\u305b" in out and "UAR" in out
    assert "Packing shards: 100%" in err
