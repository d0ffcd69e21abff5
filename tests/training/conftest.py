from pathlib import Path

import pytest
import torch
from datasets import Dataset

from lgi_former.training.preparation.shards.packing import pack_shards


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """The models are too small for several, which wait for each other on a busy machine."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture
def in_workplace(workplace, monkeypatch):
    """Runs a test in the folder `workplace`, a fixture of the test's own file."""
    monkeypatch.chdir(workplace)


@pytest.fixture(scope="session")
def tiny_run(load_module):
    """The module `tiny_run.py` beside this file, which other processes run as a script."""
    return load_module(Path(__file__).with_name("tiny_run.py"))


@pytest.fixture(scope="session")
def tiny_shards(load_module, tmp_path_factory):
    """Folder with four shards of 24 videos for `tiny_run`."""
    folder = tmp_path_factory.mktemp("tiny_shards")
    write_clip = load_module(Path(__file__).with_name("rough_corpus.py")).write_clip
    videos = [str(write_clip(folder / f"{number}.mp4", grey=10 * number, count=4)) for number in range(24)]
    labels = [number % 3 for number in range(24)]
    pack_shards(
        Dataset.from_dict({"video": videos, "label": labels}), folder / "shards", root=folder, clips_per_shard=7
    )
    return folder / "shards"
