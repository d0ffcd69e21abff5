"""Many videos at once against a loop over single calls, and killed at random: `python benchmarks/many_videos.py`.

Draws 500 short clips. The model is small and has random weights, or is that of `--model`. `--part speed` compares, in
turns, a loop over `FacialExpressionPipeline` with `predict_videos` of several processes, and samples their memory and
open files. `--part commands` compares calls of `lgi-former predict VIDEO` with `lgi-former predict --data`.
`--part kills` runs `lgi-former predict --data`, kills it at random moments, and compares the tables with
those of a run that was not killed. Prints tables.
"""

import itertools
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pandas as pd
import psutil
import torch
from measuring import make_parser, print_header, print_row

from lgi_former import (
    FacialExpressionPipeline,
    LGIFormerConfig,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
)
from lgi_former.inference import predict_videos
from lgi_former.inference.loading import load_classifier


SMALL = {
    "image_size": 80,
    "region_size": (2, 5, 5),
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 128,
}
SMALL |= {"num_attention_heads": 4, "decoder_num_hidden_layers": 1, "classifier_init_scale": 1.0}
SIZE = 96  # pixels of a clip, height and width
NUM_SAMPLES = 4


def main():
    """Print the table of a part."""
    parser = make_parser(__doc__)
    parser.add_argument("--part", choices=("speed", "commands", "kills"), default="speed")
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--model", help="folder of a classifier (default: a small one with random weights)")
    parser.add_argument("--num_workers", type=int, nargs="+", default=[1, 2], help="processes, for --part speed")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or save_model(Path(folder, "model"))
        clips = [write_clip(Path(folder, f"{number:05}.mp4"), number) for number in range(args.videos)]
        if args.part == "speed":
            measure_speed(model, clips, args)
        elif args.part == "commands":
            measure_commands(model, clips, Path(folder))
        else:
            measure_kills(model, clips, Path(folder), args)


def save_model(folder: Path) -> str:
    """Save a small model with random weights."""
    torch.manual_seed(0)
    LGIFormerForVideoClassification(LGIFormerConfig(**SMALL, num_labels=7)).save_pretrained(folder)
    LGIFormerVideoProcessor(size={"height": 80, "width": 80}).save_pretrained(folder)
    return str(folder)


def write_clip(path: Path, number: int) -> str:
    """Write noise with a moving square: 40 to 79 frames, 1.6 to 3.2 seconds."""
    random_numbers = np.random.default_rng(number)
    noise = random_numbers.integers(0, 120, (4, SIZE, SIZE, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = SIZE
        for index in range(40 + number % 40):
            frame = noise[index % 4].copy()
            frame[20:60, (number + index) % 50 :][:, :40] = random_numbers.integers(120, 255)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def measure_speed(model_folder: str, clips: list[str], args):
    """Print the seconds of each way, in turns, and what the last round needed."""
    model, processor = load_classifier(model_folder, "cpu")
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, device="cpu", crop_faces=False)
    ways = {"loop over single calls": lambda: (recognise(clip) for clip in clips)}
    for num_workers in (0, *args.num_workers):
        ways[f"predict_videos, {num_workers} processes"] = lambda num_workers=num_workers: predict_videos(
            model, processor, clips, crop_faces=False, batch_size=args.batch_size, num_workers=num_workers
        )
    seconds, samples = {name: [] for name in ways}, {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            samples[name] = sampled(way(), len(clips))
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    loop = next(iter(medians.values()))
    print(f"{len(clips)} clips, {torch.get_num_threads()} threads of torch, {os.cpu_count()} CPUs")
    quarters = [f"{round(100 * k / NUM_SAMPLES)} %" for k in range(1, NUM_SAMPLES + 1)]
    print_header(["way", "seconds", "clips a second", "times as fast", "MiB at " + ", ".join(quarters), "open files"])
    for name, median in medians.items():
        memory, files = zip(*samples[name], strict=True)
        cells = [name, f"{median:.1f}", f"{len(clips) / median:.0f}", f"{loop / median:.2f}"]
        print_row([*cells, ", ".join(f"{size:.0f}" for size in memory), ", ".join(map(str, files))])


def measure_commands(model: str, clips: list[str], folder: Path):
    """Print the seconds of a command for each clip, and of one command for all."""
    data = folder / "list.txt"
    data.write_text("\n".join(clips))
    print_header(["way", "seconds", "seconds per clip"])
    all_at_once = ["--data", data, "--output", folder / "results.parquet"]
    for name, calls in (("predict VIDEO", [[clip] for clip in clips]), ("predict --data", [all_at_once])):
        start = time.perf_counter()
        for words in calls:
            subprocess.run(command(model, *words), check=True, capture_output=True)
        seconds = time.perf_counter() - start
        print_row([name, f"{seconds:.1f}", f"{seconds / len(clips):.2f}"])


def sampled(results, count: int) -> list[tuple[float, int]]:
    """MiB and open files of this process and its children, after each quarter of `count` results."""
    samples = []
    for number, _ in enumerate(results, start=1):
        if number * NUM_SAMPLES // count > len(samples):
            processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
            memory = sum(process.memory_full_info().uss for process in processes) / 2**20
            samples.append((memory, sum(process.num_fds() for process in processes)))
    return samples


def measure_kills(model: str, clips: list[str], folder: Path, args):
    """Print a row for each run: what was finished before it, and after how many more clips it was killed."""
    data = folder / "list.txt"
    data.write_text("\n".join(clips))
    print_header(["run", "clips finished before", "killed after"])
    random.seed(0)
    for number in itertools.count(1):
        before = num_finished(folder)
        run = start(model, data, folder / "killed.parquet")
        if number <= args.kills:
            kill_after(run, before + random.randint(1, max(2 * len(clips) // (3 * args.kills), 1)), folder)
        _, errors = run.communicate()
        found = re.search(r"(\d+) of \d+ videos are finished", errors)
        assert int(found[1] if found else 0) == before, errors
        ending = f"{num_finished(folder) - before} more" if run.returncode < 0 else "not killed"
        print_row([str(number), str(before), ending])
        if run.returncode >= 0:
            break
    whole = start(model, data, folder / "whole.parquet")
    whole.communicate()
    for kind in ("", ".windows"):
        tables = [pd.read_parquet(folder / f"{name}{kind}.parquet") for name in ("killed", "whole")]
        pd.testing.assert_frame_equal(*tables, rtol=0, atol=1e-6)
        print(f"Rows: {len(tables[0])}, the same as in a run that was not killed, up to 1e-6.")
    assert list(tables[0]["video"].unique()) == clips


def num_finished(folder: Path) -> int:
    """The number of complete lines of the journal, without the first."""
    journal = folder / "killed.parquet.journal"
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def kill_after(run: subprocess.Popen, count: int, folder: Path):
    """Kill a run at a random moment after its journal has `count` items."""
    while run.poll() is None and num_finished(folder) < count:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.1))
    run.send_signal(signal.SIGKILL)


def start(model: str, data: Path, output: Path) -> subprocess.Popen:
    """Start the command."""
    words = command(model, "--data", data, "--output", output)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def command(model: str, *words) -> list[str]:
    """The words of `lgi-former predict`."""
    options = ["--model", model, "--no_crop_faces", "--device", "cpu"]
    return [sys.executable, "-m", "lgi_former", "predict", *map(str, [*words, *options])]


if __name__ == "__main__":
    main()
