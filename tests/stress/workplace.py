"""Inputs of commands: drawn videos, lists, shards, small models."""

import functools
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from running import FORK, run, run_command


RECIPE = """
config_overrides:
  {patch_size: 4, region_size: [2, 2, 4], hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
   intermediate_size: 16, decoder_hidden_size: 12, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2,
   decoder_intermediate_size: 16}
image_size: 16
num_frames: 4
sampling_rate: 1
per_device_train_batch_size: 4
use_cpu: true
bf16: false
report_to: none
disable_tqdm: true
dataloader_num_workers: 1
"""
NUM_VIDEOS = 14
RELEASED = "mae-dfer-dfew-fold5"
"""The model that the drive of `Workplace.with_drive` has."""


class Workplace:
    """A folder of inputs. `path("name")` writes what is missing, and returns the path.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")

    def path(self, name: str) -> Path:
        """The path of `tiny.yaml`, `videos.csv`, `videos`, `faces`, `shards`, `pretrained`, `finetuned`,
        `embeddings.npy`, `dfew` or `checkpoint.pth`."""
        path = self.folder / name
        if not path.exists():
            self._write(path)
        return path

    def training(self, command: str, data: str, *options) -> list:
        """Words of a training command with a tiny model."""
        labels = ["--label_smoothing_factor", 0] if command == "finetune" else ["--mask_ratio", 0.75]
        return [command, self.path("tiny.yaml"), "--train_data", data, *labels, *options]

    def with_drive(self, home: Path) -> Callable:
        """What a fork calls first, so that `download` asks a Google Drive on this machine. Its cache is in `home`."""
        return functools.partial(_use_drive, self._drive, home)

    @functools.cached_property
    def _drive(self) -> dict[str, str]:
        here, there = FORK.Pipe()
        FORK.Process(target=_serve_drive, args=(self.folder, self.path("checkpoint.pth"), there), daemon=True).start()
        return here.recv()

    def _write(self, path: Path):
        log = self.folder / f"{path.name}.log"
        if path.name in ("videos.csv", "videos"):
            outcome = run(_draw_videos, (self.folder,), log)
        elif path.name == "faces":
            outcome = run(_draw_faces, (path,), log)
        elif path.name == "dfew":
            outcome = run(_write_dfew, (path,), log)
        elif path.name == "checkpoint.pth":
            outcome = run(_save_checkpoint, (path,), log)
        else:
            outcome = run_command(self._commands()[path.name](path), log)
        if outcome.status != 0 or not path.exists():
            raise RuntimeError(f"The inputs cannot be made: {path.name}:\n{outcome.text}")

    def _commands(self) -> dict:
        once = ("--max_steps", 2, "--logging_steps", 1, "--output_dir")
        return {
            "shards": lambda path: ["prepare", "shards", self.path("videos.csv"), path, "--clips_per_shard", 4],
            "pretrained": lambda path: self.training("pretrain", self.path("videos.csv"), *once, path),
            "finetuned": lambda path: self.training("finetune", self.path("videos.csv"), *once, path),
            "embeddings.npy": lambda path: [
                *("embed", "--data", self.path("videos.csv"), "--model", self.path("pretrained"), "--output", path),
            ],
        }


def _draw_videos(folder: Path):
    from lgi_former.training.quickstart.drawn_faces import Part, write_part

    write_part(Part(folder / "videos", NUM_VIDEOS, seed=0), num_workers=1)


def _draw_faces(folder: Path):
    """Write videos to subfolders. The detector finds a face in each video."""
    from lgi_former.inference.demo.example import draw_example

    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
        (folder / name / "face.mp4").write_bytes(draw_example())


def load_module(path: str):
    """The module of a file in `tests`, which is not a package."""
    file = Path(__file__).parents[1] / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_dfew(folder: Path):
    load_module("training/preparation/replicas.py").write_dfew(folder)


def _save_checkpoint(path: Path):
    """A checkpoint as the authors of MAE-DFER release it, with a small model."""
    import torch

    import lgi_former
    from lgi_former.conversion.published_names import classifier_names, to_published

    config = lgi_former.LGIFormerConfig(
        hidden_size=64, num_attention_heads=1, num_hidden_layers=1, intermediate_size=64, num_labels=7
    )
    model = lgi_former.LGIFormerForVideoClassification(config)
    weights = to_published(model.state_dict(), classifier_names(config), {})
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].reshape(64, 3, 2, 16, 16)
    torch.save({"model": weights, "optimizer": {"state": torch.zeros(2**19)}}, path)


def _serve_drive(folder: Path, checkpoint: Path, pipe):
    from lgi_former.conversion import released_models

    module = load_module("conversion/loopback_drive.py")
    sys.stderr = (folder / "drive.log").open("w")  # a download that is killed breaks its connection
    with module.LoopbackDrive(folder) as drive:
        drive.files[released_models()[RELEASED].drive_id] = checkpoint.read_bytes()
        pipe.send(drive.environment)
        signal.pause()  # until the tools end


def _use_drive(environment: dict[str, str], home: Path):
    """Let `download` of this process use the drive, and a cache in `home`."""
    from huggingface_hub import constants

    os.environ.update(environment)
    constants.HF_HOME = str(home)
