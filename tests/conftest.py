import contextlib
import functools
import gc
import http.server
import importlib.util
import json
import os
import runpy
import subprocess
import sys
import threading
from pathlib import Path

import av
import pytest
import setuptools


if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process of `-n` has one thread, also in the processes that it starts. More would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the import of torch, which reads it

import torch

import lgi_former
from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor


def pytest_collection_modifyitems(config, items):
    """With `-n`, files with slow tests come first. At the end, no process waits long for another."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Garbage collections skip the modules and tests. Otherwise, each training run takes half a second for its own."""
    gc.freeze()


@pytest.fixture(autouse=True)
def no_notes_of_slow_machines(monkeypatch):
    """A slow machine prints no additional notes, so that tests can compare all lines on stderr."""
    monkeypatch.setattr("lgi_former.messages.SILENCE", 3600)


@pytest.fixture(scope="session")
def load_module():
    """Function from the path of a Python file to its module. Test folders are not packages."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def tiny_recipe():
    """Lines of a recipe: a model of one layer for 4 frames of 16 x 16 pixels, on the CPU, without reports."""
    return """
config_overrides:
  {patch_size: 4, region_size: [2, 2, 4], hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
   intermediate_size: 16}
image_size: 16
num_frames: 4
sampling_rate: 1
use_cpu: true
bf16: false
report_to: none
"""


@pytest.fixture(scope="module")
def load_benchmark():
    """Function from a file in `benchmarks/` to its module. Afterwards, nothing in `benchmarks/` is importable."""
    folder, before = Path(__file__).parents[1] / "benchmarks", set(sys.modules)

    def load(file):
        parts = Path(file).with_suffix("").parts
        if len(parts) > 1:  # in a package, whose files import each other by relative names
            return importlib.import_module(".".join(parts))
        spec = importlib.util.spec_from_file_location(f"benchmark_{parts[0]}", folder / file)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load
    for name in sys.modules.keys() - before:
        if folder in Path(getattr(sys.modules[name], "__file__", None) or "").parents:
            del sys.modules[name]


@pytest.fixture(scope="session")
def loopback_hub(load_module):
    """A Hub on this machine (`loopback_hub.py`) for processes started with its `environment`."""
    with load_module(Path(__file__).with_name("loopback_hub.py")).LoopbackHub() as hub:
        yield hub


@pytest.fixture
def on_loopback(loopback_hub, monkeypatch, tmp_path):
    """The loopback Hub, which the Hub's client of this process uses. The client has read the environment already."""
    for name, value in loopback_hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", loopback_hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return loopback_hub


@pytest.fixture(scope="session")
def run_in_forks():
    """Function `(preparation, codes)` that runs each code in its own fork of one new Python.

    A fork inherits the imports of `preparation`. Returns the output and the error of each code. An error is its type
    and message, or None.
    """

    def run(preparation, codes):
        command = [sys.executable, Path(__file__).with_name("forks.py"), preparation]
        done = subprocess.run(command, input=json.dumps(codes), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [tuple(outcome) for outcome in json.loads(done.stdout.splitlines()[-1])]

    return run


@pytest.fixture(scope="session")
def setup_arguments():
    """The arguments of `setup` in `setup.py`."""
    path = Path(lgi_former.__file__).with_name("setup.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: calls.append(arguments))
        calls = []
        runpy.run_path(str(path))
    return calls[0]


TINY = {"image_size": 32, "num_frames": 4, "region_size": (1, 1, 2), "hidden_size": 32, "num_hidden_layers": 1}
TINY_DECODER = {"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1}


@pytest.fixture(scope="session")
def save_tiny_model():
    """Function `(model_class, folder, labels, problem_type=None, **options)` that saves a model and its processor.

    The model is small, has random weights and takes 4 frames of 32 x 32 pixels. `options` go to `save_pretrained`.
    """

    def save(model_class, folder, labels, problem_type=None, **options):
        torch.manual_seed(0)
        fields = {"id2label": dict(enumerate(labels)), "problem_type": problem_type}
        config = LGIFormerConfig(**TINY, **TINY_DECODER, **fields)
        model_class(config).save_pretrained(folder, **options)
        processor = LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4)
        processor.save_pretrained(folder, **options)

    return save


@pytest.fixture
def write_after_cover(tmp_path):
    """Function `(frames, cover)` that writes a video whose first stream is a picture. Returns its path.

    The video has 25 frames per second.
    """

    def write(frames, cover):
        path = tmp_path / "covered.mp4"
        with av.open(str(path), "w") as container:
            video, picture = (container.add_stream(codec, rate=25) for codec in ("mpeg4", "mjpeg"))
            for stream, pixel_format in ((video, "yuv420p"), (picture, "yuvj420p")):
                stream.height, stream.width, stream.pix_fmt = *cover.shape[:2], pixel_format
            picture.disposition = av.stream.Disposition.attached_pic
            for stream, pixels in ((video, frames), (picture, [cover])):
                for frame in pixels:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                container.mux(stream.encode())
        header, _, picture = path.read_bytes().rpartition(b"udta")  # the box that must come first
        start = header.index(b"trak") - 4
        path.write_bytes(header[:start] + header[-4:] + b"udta" + picture + header[start:-4])
        return path

    return write


@pytest.fixture
def serve():
    """Context manager that serves a folder over HTTP and yields the address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    @contextlib.contextmanager
    def run(folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    return run
