"""Clips a second that the processor's cores prepare for fine-tuning."""

import importlib.util
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from noisy_videos import JPEG_SIZE, add_noise, write_frames, write_mp4
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, default_collate

from lgi_former.image_processing import read_video
from lgi_former.image_processing.augmentation import FinetuningAugmentation
from lgi_former.image_processing.training_frame_sampling import finetuning_frame_indices
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces

from .setting import Setting
from .timing import wait


NUM_VIDEOS = 48
FRAMES_OF_A_VIDEO = (60, 120)
NUM_FRAMES, SAMPLING_RATE, BATCH_SIZE = 16, 4, 32


def run(setting: Setting) -> Iterator[dict]:
    """Folders of JPEG frames, and mp4 files if PyAV is installed, with several numbers of workers."""
    cores = len(os.sched_getaffinity(0))
    for package in ("simplejpeg", "av"):
        if importlib.util.find_spec(package) is None:
            yield {"note": f"{package} is not installed here. " + _without(package)}
    with tempfile.TemporaryDirectory() as folder:
        videos = _write_videos(setting, Path(folder), cores)
        for kind, paths in videos.items():
            for workers in setting.pick((cores, cores // 2, 1), (1,)):
                yield {
                    "table": f"Fine-tuning clips of 160 x 160, on {cores} cores",
                    "videos": kind,
                    "workers": workers,
                    "clips/s": _clips_a_second(setting, paths, workers),
                }


def _without(package):
    return "Pillow decodes JPEG." if package == "simplejpeg" else "There are no mp4 files to read."


class _Clips(Dataset):
    """A practically endless number of random clips."""

    def __init__(self, paths: list[str], image_size: int):
        self.paths = paths
        self.augment = FinetuningAugmentation(image_size)

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(index)

        def sample(metadata):
            return finetuning_frame_indices(metadata.total_num_frames, NUM_FRAMES, SAMPLING_RATE, generator)

        frames, _ = read_video(self.paths[index % len(self.paths)], sample)
        return self.augment(torch.from_numpy(frames).permute(0, 3, 1, 2), generator)


def _clips_a_second(setting, paths, workers):
    """Clips a second that arrive on the device. The first batch of each worker is not counted."""
    loader = DataLoader(
        _Clips(paths, setting.pick(160, 32)),
        setting.pick(BATCH_SIZE, 2),
        num_workers=workers,
        collate_fn=default_collate,
        pin_memory=setting.on_gpu,
    )
    batches = iter(loader)
    for _ in itertools.repeat(None, workers + 1):
        next(batches)
    start, clips = time.perf_counter(), 0
    while time.perf_counter() - start < setting.pick(4.0, 0.2):
        clips += len(next(batches).to(setting.device, non_blocking=True))
    wait(setting.device)
    return clips / (time.perf_counter() - start)


def _write_videos(setting, folder, cores):
    """Paths of drawn videos by kind."""
    number = setting.pick(NUM_VIDEOS, 2)
    lengths = np.linspace(*setting.pick(FRAMES_OF_A_VIDEO, (20, 24)), number, dtype=int).tolist()
    with torch.multiprocessing.get_context("fork").Pool(setting.pick(cores, 1)) as pool:
        written = pool.starmap(_write_video, [(folder, index, length) for index, length in enumerate(lengths)])
    kinds = {"JPEG frames of 256 x 256": [jpeg for jpeg, _ in written]}
    if all(mp4 for _, mp4 in written):
        kinds["mp4 of 224 x 224"] = [mp4 for _, mp4 in written]
    return kinds


def _write_video(folder, index, length):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(index)
    small = draw_faces([index % len(LABELS)], generator, length, 64)[0].permute(0, 3, 1, 2).float()
    clip = F.interpolate(small, size=(JPEG_SIZE, JPEG_SIZE), mode="bicubic", antialias=True)
    frames = add_noise(clip.permute(0, 2, 3, 1).contiguous(), generator)
    jpeg = write_frames(folder / str(index), frames)
    has_av = importlib.util.find_spec("av") is not None
    return str(jpeg), str(write_mp4(folder / f"{index}.mp4", frames)) if has_av else None
