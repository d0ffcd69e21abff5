"""Clips a second that one core prepares for fine-tuning: `python benchmarks/loader.py`.

Our loader and the usual one (`pil_pipeline.py`) take turns in one thread. They make the same clips with the same
draws: read, resize to 160 x 160, RandAugment, crop, mirror, normalise, erase. The videos are drawn faces with camera
noise, 60 to 120 frames long: folders of JPEG frames (256 x 256) and mp4 files (224 x 224). Prints a table and writes
`results/loader.json`.
"""

import functools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import interleaved_seconds, make_parser, medians, print_header, print_row, ratio, record
from noisy_videos import JPEG_SIZE, add_noise, write_frames, write_mp4
from pil_pipeline import IMAGE_SIZE, augment_images, read_images
from tqdm import tqdm
from transformers.image_utils import IMAGENET_DEFAULT_STD

from lgi_former import LGIFormerConfig
from lgi_former.image_processing import read_video
from lgi_former.image_processing.augmentation import FinetuningAugmentation
from lgi_former.image_processing.training_frame_sampling import finetuning_frame_indices
from lgi_former.training.data.clips import frame_sampling, read_clip
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces


SAMPLE = frame_sampling(finetuning_frame_indices, LGIFormerConfig().num_frames, sampling_rate=4)
AUGMENT = FinetuningAugmentation(IMAGE_SIZE)


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--clips", type=int, default=100, help="clips of each kind of video")
    parser.add_argument("--videos", type=int, default=7, help="videos of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of timing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = write_videos(Path(folder), arguments.videos)
        results = {name: compare(videos, arguments.clips, arguments.rounds) for name, videos in sources.items()}
    print_header(["videos", "ours", "PIL", "ours / PIL", "ours, reading", "PIL, reading", "difference"])
    for name, result in results.items():
        speeds = (f"{result['clips_per_second'][way]:.1f}/s" for way in ("ours", "pil"))
        reading = (f"{1000 * result['seconds'][way]:.1f} ms" for way in ("ours_reading", "pil_reading"))
        print_row([name, *speeds, f"{result['ratio']:.2f}", *reading, f"{result['grey_levels']:.2f}"])
    record("loader", arguments, results)


def write_videos(folder: Path, num_videos: int, lengths: tuple[int, int] = (60, 120)) -> dict[str, list[Path]]:
    """Write each video as a folder of frames and as a file. `lengths`: fewest and most frames of a video."""
    sources = {"JPEG frames": [], "mp4": []}
    generator = torch.Generator().manual_seed(0)
    for index, num_frames in enumerate(tqdm(np.linspace(*lengths, num_videos, dtype=int), "Drawing", leave=False)):
        clip = add_noise(draw_faces([index % len(LABELS)], generator, int(num_frames), JPEG_SIZE)[0], generator)
        sources["JPEG frames"].append(write_frames(folder / str(index), clip))
        sources["mp4"].append(write_mp4(folder / f"{index}.mp4", clip))
    return sources


def compare(videos: list[Path], num_clips: int, rounds: int) -> dict:
    """Median seconds a clip of both loaders, with and without augmentation, and the difference of their clips."""
    clips = [(videos[seed % len(videos)], seed) for seed in range(num_clips)]
    differences = [difference(*clip) for clip in clips]
    ways = {"ours": our_clip, "pil": pil_clip, "ours_reading": our_frames, "pil_reading": pil_frames}
    seconds = interleaved_seconds(
        {name: [functools.partial(way, *clip) for clip in clips] for name, way in ways.items()}, rounds
    )
    each = {name: value / num_clips for name, value in medians(seconds).items()}
    return {
        "seconds": each,
        "clips_per_second": {name: 1 / each[name] for name in ("ours", "pil")},
        "ratio": ratio(seconds["pil"], seconds["ours"]),
        "grey_levels": statistics.mean(differences),
    }


def difference(video: Path, seed: int) -> float:
    """Mean difference of both loaders' versions of a clip, in grey levels.

    Raises:
        ValueError: If the loaders took different frames.
    """
    taken = []

    def recorded(total_frames: int, generator: torch.Generator) -> np.ndarray:
        taken.append(SAMPLE(total_frames, generator))
        return taken[-1]

    ours, theirs = our_clip(video, seed, recorded), pil_clip(video, seed, recorded)
    if len(taken) != 2 or not np.array_equal(*taken):
        raise ValueError(f"The loaders took different frames of {video}: {taken}")
    return 255 * statistics.mean(IMAGENET_DEFAULT_STD) * (ours - theirs).abs().mean().item()


def our_clip(video: Path, seed: int, sample: Callable = SAMPLE) -> torch.Tensor:
    """A clip from our data set."""
    return read_clip(str(video), sample, AUGMENT, seed)[0]


def pil_clip(video: Path, seed: int, sample: Callable = SAMPLE) -> torch.Tensor:
    """The same clip from the usual loader."""
    generator = torch.Generator().manual_seed(seed)
    images = read_images(video, lambda total_frames: sample(total_frames, generator))
    return augment_images(images, generator)


def our_frames(video: Path, seed: int):
    """Only read the frames of a clip, with our loader."""
    generator = torch.Generator().manual_seed(seed)
    read_video(video, lambda metadata: SAMPLE(metadata.total_num_frames, generator))


def pil_frames(video: Path, seed: int):
    """Only read the frames of a clip, with the usual loader."""
    generator = torch.Generator().manual_seed(seed)
    read_images(video, lambda total_frames: SAMPLE(total_frames, generator))


if __name__ == "__main__":
    main()
