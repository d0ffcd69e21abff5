"""Clips that one core makes ready for fine-tuning in a second: `python benchmarks/loader.py`.

The same clips of the same videos, with the same draws, come from our loader and from the usual one
(`pil_pipeline.py`), in turns and in one thread: read, resized to 160 x 160, changed by RandAugment, cropped, mirrored,
normalised, erased. Videos are drawn faces with the noise of a camera, 60 to 120 frames long: folders of JPEG frames of
256 x 256 pixels and mp4 files (H.264) of 224 x 224. Prints a table and writes `results/loader.json`.
"""

import argparse
import functools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from interleaved import interleaved_seconds, ratio
from PIL import Image
from pil_pipeline import IMAGE_SIZE, augment_images, read_images
from record import record
from tqdm import tqdm
from transformers.image_utils import IMAGENET_DEFAULT_STD

from lgi_former import LGIFormerConfig
from lgi_former.image_processing import read_video
from lgi_former.image_processing.augmentation import FinetuningAugmentation
from lgi_former.training.data.clips import read_clip
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces
from lgi_former.training.run.run_data import finetuning_sampling


JPEG_SIZE, JPEG_QUALITY = 256, 95
MP4_SIZE, MP4_BITS_PER_SECOND, FRAME_RATE = 224, 250_000, 25
NOISE = 4  # grey levels; frames then take 22 kB, as faces of real videos do at this size and quality

SAMPLE = finetuning_sampling(LGIFormerConfig(), sampling_rate=4)
AUGMENT = FinetuningAugmentation(IMAGE_SIZE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100, help="clips of each kind of video, each drawn anew")
    parser.add_argument("--videos", type=int, default=7, help="videos of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="how often each clip is made")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = write_videos(Path(folder), arguments.videos)
        results = {name: compare(videos, arguments.clips, arguments.rounds) for name, videos in sources.items()}
    print("| videos | ours | PIL | ours / PIL | ours, reading | PIL, reading | difference |\n|" + " --- |" * 7)
    for name, result in results.items():
        speeds = (f"{result['clips_per_second'][way]:.1f}/s" for way in ("ours", "pil"))
        reading = (f"{1000 * result['seconds'][way]:.1f} ms" for way in ("ours_reading", "pil_reading"))
        print(
            "|", " | ".join([name, *speeds, f"{result['ratio']:.2f}", *reading, f"{result['grey_levels']:.2f}"]), "|"
        )
    record("loader", arguments, results)


def write_videos(folder: Path, num_videos: int, lengths: tuple[int, int] = (60, 120)) -> dict[str, list[Path]]:
    """Draw videos of `lengths` frames, from the fewest to the most, each as a folder of frames and as a file."""
    sources = {"JPEG frames": [], "mp4": []}
    generator = torch.Generator().manual_seed(0)
    margin = (JPEG_SIZE - MP4_SIZE) // 2
    for index, num_frames in enumerate(tqdm(np.linspace(*lengths, num_videos, dtype=int), "Drawing", leave=False)):
        clip = draw_faces([index % len(LABELS)], generator, int(num_frames), JPEG_SIZE)[0]
        noise = NOISE * torch.randn(clip.shape, generator=generator)
        clip = (clip + noise).round_().clamp_(0, 255).to(torch.uint8).numpy()
        sources["JPEG frames"].append(write_frames(folder / str(index), clip))
        sources["mp4"].append(write_mp4(folder / f"{index}.mp4", clip[:, margin:-margin, margin:-margin]))
    return sources


def write_frames(folder: Path, clip: np.ndarray) -> Path:
    """Write uint8 (frames, height, width, 3) as JPEG files."""
    folder.mkdir()
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number:05d}.jpg", quality=JPEG_QUALITY)
    return folder


def write_mp4(path: Path, clip: np.ndarray) -> Path:
    """Write uint8 (frames, height, width, 3) as FFmpeg does unless told otherwise, but for the bit rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], "yuv420p"
        stream.bit_rate = MP4_BITS_PER_SECOND
        for frame in np.ascontiguousarray(clip):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def compare(videos: list[Path], num_clips: int, rounds: int) -> dict:
    """Median seconds a clip of both loaders and of their reading alone, and how different their clips are."""
    clips = [(videos[seed % len(videos)], seed) for seed in range(num_clips)]
    differences = [difference(*clip) for clip in clips]
    ways = {"ours": our_clip, "pil": pil_clip, "ours_reading": our_frames, "pil_reading": pil_frames}
    seconds = interleaved_seconds(
        {name: [functools.partial(way, *clip) for clip in clips] for name, way in ways.items()}, rounds
    )
    medians = {name: statistics.median(values) / num_clips for name, values in seconds.items()}
    return {
        "seconds": medians,
        "clips_per_second": {name: 1 / medians[name] for name in ("ours", "pil")},
        "ratio": ratio(seconds["pil"], seconds["ours"]),
        "grey_levels": statistics.mean(differences),
    }


def difference(video: Path, seed: int) -> float:
    """Mean difference of a clip's two versions in grey levels.

    Raises:
        ValueError: If they are made of different frames.
    """
    taken = []

    def recorded(total_frames: int, generator: torch.Generator) -> np.ndarray:
        taken.append(SAMPLE(total_frames, generator))
        return taken[-1]

    ours, theirs = our_clip(video, seed, recorded), pil_clip(video, seed, recorded)
    if len(taken) != 2 or not np.array_equal(*taken):
        raise ValueError(f"Not the same frames of {video} were taken: {taken}")
    return 255 * statistics.mean(IMAGENET_DEFAULT_STD) * (ours - theirs).abs().mean().item()


def our_clip(video: Path, seed: int, sample: Callable = SAMPLE) -> torch.Tensor:
    """What our data set makes of a video."""
    return read_clip(str(video), sample, AUGMENT, seed)


def pil_clip(video: Path, seed: int, sample: Callable = SAMPLE) -> torch.Tensor:
    """The same clip as the usual loader makes it."""
    generator = torch.Generator().manual_seed(seed)
    images = read_images(video, lambda total_frames: sample(total_frames, generator))
    return augment_images(images, generator)


def our_frames(video: Path, seed: int):
    """Only read the frames of a clip."""
    generator = torch.Generator().manual_seed(seed)
    read_video(video, lambda metadata: SAMPLE(metadata.total_num_frames, generator))


def pil_frames(video: Path, seed: int):
    """Only read the frames of a clip, as the usual loader does."""
    generator = torch.Generator().manual_seed(seed)
    read_images(video, lambda total_frames: SAMPLE(total_frames, generator))


if __name__ == "__main__":
    main()
