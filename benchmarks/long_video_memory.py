"""Memory of `FacialExpressionPipeline` for videos of different lengths: `python benchmarks/long_video_memory.py`.

Draws a video of each length with a moving square, which the pipeline follows as a face. Each video has its own
process. CenterFace runs as usual, so that its memory counts, but the place of the square replaces its result. The
default model is small and has random weights. Prints a table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import psutil
from measuring import make_parser, peak_memory, print_header, print_row
from tqdm import tqdm


COLUMNS = ["minutes", "frames", "windows", "MiB before", "MiB at most", "difference in MiB", "seconds"]
SQUARE, TOP = 64, 50  # side and top of the square in pixels


def main():
    """Print a row of a table for each length."""
    parser = make_parser(__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    parser.add_argument("--frame_rate", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 180), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--model", help="directory or Hub repository of a classifier")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # for the process of one video
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.model)))
        return
    print_header(COLUMNS)
    for minutes in args.minutes:
        with tempfile.TemporaryDirectory() as folder:
            video, num_frames = str(Path(folder, "video.mp4")), round(60 * minutes * args.frame_rate)
            write_video(video, num_frames, args.frame_rate, *args.size)
            command = [sys.executable, __file__, "--measure", video]
            command += ["--model", args.model] if args.model else []
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        cells = [f"{minutes:g}", num_frames, found["windows"]]
        cells += [f"{found['before']:.0f}", f"{found['peak']:.0f}", f"{found['peak'] - found['before']:.0f}"]
        print_row([*cells, f"{found['seconds']:.0f}"])


def write_video(path: str, num_frames: int, frame_rate: int, width: int, height: int):
    """Write noise with a bright square that moves to the right and back once a minute."""
    noise = np.random.default_rng(0).integers(0, 80, (16, height, width, 3), dtype=np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in tqdm(range(num_frames), "Drawing", leave=False):
            frame = noise[index % len(noise)].copy()
            left = round((0.5 - 0.5 * np.cos(2 * np.pi * index / frame_rate / 60)) * (width - SQUARE))
            frame[TOP : TOP + SQUARE, left : left + SQUARE] = 180 + index % 60
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


class SquareDetector:
    """Runs CenterFace, then returns the box of the square."""

    def __init__(self):
        from lgi_former.image_processing import CenterFaceDetector

        self.center_face = CenterFaceDetector()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.center_face(image)
        columns = np.flatnonzero(image[TOP + SQUARE // 2, :, 0] > 130)
        return np.array([[columns[0], TOP, columns[-1] + 1, TOP + SQUARE, 0.9]], dtype=np.float32)


def measure(video: str, model_name_or_path: str | None) -> dict:
    """Read a video with the pipeline. Returns windows, seconds, and resident MiB with the model and at most."""
    from lgi_former.image_processing import FaceCropper
    from lgi_former.inference import FacialExpressionPipeline

    model, processor = load(model_name_or_path)
    recognise = FacialExpressionPipeline(
        model=model, video_processor=processor, face_cropper=FaceCropper(SquareDetector()), device="cpu"
    )
    before, start = psutil.Process().memory_info().rss / 2**20, time.time()
    num_windows = sum(1 for _ in recognise.stream(video, show_progress=True))
    return {
        "before": before,
        "peak": peak_memory(),
        "seconds": time.time() - start,
        "windows": num_windows,
    }


def load(model_name_or_path: str | None):
    """The classifier and its processor; small ones by default."""
    from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor
    from lgi_former.hub.loading import load_classifier

    if model_name_or_path:
        return load_classifier(model_name_or_path, "cpu")
    config = LGIFormerConfig(hidden_size=64, num_hidden_layers=2, intermediate_size=128, num_labels=7)
    return LGIFormerForVideoClassification(config).eval(), LGIFormerVideoProcessor()


if __name__ == "__main__":
    main()
