"""Live recognition in real time: memory, delay and dropped windows: `python benchmarks/live.py`.

Sends the frames of a video, or of the demo's drawn face, again and again in real time. The runs have the given model,
by default one with random weights and the size of the published base model, or this model slowed down. Each run has
its own process, which measures its resident memory once a second. Prints a table.
"""

import argparse
import io
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import av
import psutil
import torch
from measuring import make_parser, print_header, print_row

from lgi_former import (
    FacialExpressionPipeline,
    LGIFormerConfig,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
)
from lgi_former.image_processing.decoding.frame_stream import TimedFrame
from lgi_former.inference.demo.example import draw_example
from lgi_former.inference.live_frames import LiveFrames
from lgi_former.inference.live_recognition import LiveRecognition
from lgi_former.inference.loading import load_classifier


COLUMNS = ["model", "slower by", "seconds", "entries", "dropped", "skipped seconds", "median delay", "worst delay"]
COLUMNS += ["MiB after 10 s", "MiB at half time", "MiB at the end"]
SMALL = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}


def main():
    """Print a row of a table for each run."""
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--video", help="video file (default: the drawn face of the demo)")
    parser.add_argument("--model", help="directory or Hub repository of a classifier")
    parser.add_argument("--slower", type=float, nargs="+", default=[0, 4], help="seconds that are added to each batch")
    parser.add_argument("--small", action="store_true", help="a smaller random model")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # for the process of one run
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args)))
        return
    print_header(COLUMNS)
    for slower in args.slower:
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", "--slower", str(slower)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        name = args.model or ("small" if args.small else "base")
        print_row([name, f"{slower:g} s", *found])


def measure(args: argparse.Namespace) -> list:
    """Run for some seconds. Returns the cells of the row."""
    recognise = _pipeline(args)
    queue = LiveFrames(timeout=10)
    live = LiveRecognition(recognise, queue)
    next(recognise.stream((frame.image for frame in _frames(args.video, 6)), frame_rate=25), None)  # warm up
    threading.Thread(target=queue.feed, args=(_in_real_time(_frames(args.video, args.seconds)),), daemon=True).start()
    memory, is_over = [], threading.Event()
    threading.Thread(target=_watch, args=(memory, is_over), daemon=True).start()
    for _ in live:
        pass
    is_over.set()
    median, worst = live.delays
    cells = [f"{queue.seconds:.0f}", live.num_entries, live.num_dropped, f"{queue.skipped:.1f}"]
    cells += [f"{median:.2f} s", f"{worst:.2f} s"]
    return [*cells, *(f"{memory[min(index, len(memory) - 1)]:.0f}" for index in (10, len(memory) // 2, len(memory)))]


def _pipeline(args: argparse.Namespace) -> FacialExpressionPipeline:
    if args.model:
        model, processor = load_classifier(args.model)
    else:
        torch.manual_seed(0)
        config = LGIFormerConfig(num_labels=7, **(SMALL if args.small else {}))
        model, processor = LGIFormerForVideoClassification(config).eval(), LGIFormerVideoProcessor()
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, device=model.device)
    forward, slower = recognise._forward, args.slower[-1]

    def slow_forward(inputs):
        time.sleep(slower)
        return forward(inputs)

    recognise._forward = slow_forward
    return recognise


def _frames(video: str | None, seconds: float) -> Iterator[TimedFrame]:
    """Frames of a video again and again, at 25 frames a second."""
    count = itertools.count()
    while True:
        with av.open(video or io.BytesIO(draw_example())) as container:
            for frame in container.decode(video=0):
                if (index := next(count)) >= 25 * seconds:
                    return
                timed = TimedFrame(index, index / 25, lambda frame=frame: frame.to_ndarray(format="rgb24"))
                timed.duration = 1 / 25
                yield timed


def _in_real_time(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    began = time.monotonic()
    for frame in frames:
        time.sleep(max(began + frame.time - time.monotonic(), 0))
        yield frame


def _watch(memory: list[float], is_over: threading.Event):
    """Append the resident memory in MiB once a second."""
    process = psutil.Process()
    while not is_over.wait(1):
        memory.append(process.memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
