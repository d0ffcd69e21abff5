"""Scores of a video with an exported model. It needs onnxruntime, NumPy and Pillow, but neither torch nor lgi_former.

    lgi-former export my_model my_model_onnx
    python predict_onnx.py my_model_onnx frames/          # the folder of the frames of one video
    python predict_onnx.py my_model_onnx 1.jpg 2.jpg ...  # or its frames in their order

The frames must be cropped to one face. The result is that of `lgi-former predict --no_crop_faces --num_segments S`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


FRAME_RATE = 25  # of a folder of frames
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def clips_of(frames, settings):
    """Clips, float32 (clips, frames, channels, height, width), from the paths of the frames of a video in order."""
    sampling = settings["frame_sampling"]
    if sampling.get("sampling_frame_rate", FRAME_RATE) != FRAME_RATE:
        raise SystemExit(
            f"This program takes folders of frames for {FRAME_RATE} a second, but the model needs others."
        )
    length, segments = sampling["num_frames"], sampling["num_segments"]
    sampled = frames[:: sampling["sampling_rate"]]
    sampled = [*sampled, *[sampled[-1]] * (length - len(sampled))]
    spare = len(sampled) - length
    starts = [spare // 2] if segments == 1 else [k * spare // (segments - 1) for k in range(segments)]
    return np.stack([pixels_of(sampled[start : start + length], settings) for start in starts])


def pixels_of(frames, settings):
    """One clip, float32 (frames, channels, height, width)."""
    resize = settings["resize"]
    size, kind = (resize["width"], resize["height"]), Image.Resampling[resize["filter"].upper()]
    levels = np.stack([np.asarray(read_frame(frame).resize(size, kind)) for frame in frames])
    pixels = (levels * settings["rescale_factor"] - settings["mean"]) / settings["std"]
    return pixels.transpose(0, 3, 1, 2).astype(np.float32)


def read_frame(path):
    """A picture in RGB, turned as its EXIF data say. Transparent pixels are put on black."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode[0] in "IF":
        raise ValueError(f"'{path}' has grey levels of more than 8 bits. Save it with 8 bits.")
    image = image.convert("RGBA")
    frame = Image.new("RGB", image.size)
    frame.paste(image, mask=image.getchannel("A"))
    return frame


def scores_of(logits, settings):
    """Scores or values of a video, one for each label: the mean over its clips, and over frames if there are any."""
    if settings["activation"] == "softmax":
        logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
        logits = logits / logits.sum(axis=-1, keepdims=True)
    elif settings["activation"] == "sigmoid":
        logits = 1 / (1 + np.exp(-logits))
    means = logits.mean(axis=tuple(range(logits.ndim - 1))).tolist()
    return dict(zip(settings["labels"], means, strict=True))


def frame_files(paths):
    """The images of a folder, with 2.png before 10.png, or the given files."""
    if len(paths) == 1 and paths[0].is_dir():
        names = [path for path in paths[0].iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
        paths = sorted(names, key=lambda path: [int(n) if n.isdecimal() else n for n in re.split(r"(\d+)", path.stem)])
    if not paths:
        raise ValueError("There are no images.")
    return paths


def main(argv=None):
    parser = argparse.ArgumentParser(description="Scores of a video with an exported model, without torch.")
    parser.add_argument("model", type=Path, help="folder that `lgi-former export MODEL OUT --format onnx` wrote")
    parser.add_argument("frames", type=Path, nargs="+", help="folder of the frames of a video, or its frames in order")
    args = parser.parse_args(argv)
    try:
        settings = json.loads((args.model / "preprocessing.json").read_text(encoding="utf-8"))
        if "labels" not in settings:
            raise ValueError(f"'{args.model}' is no classifier, so it gives no scores.")
        program = args.model / "model.onnx"
        if not program.is_file():
            raise ValueError(f"'{args.model}' has no model.onnx. Export the model with `--format onnx`.")
        clips = clips_of(frame_files(args.frames), settings)
    except (OSError, ValueError) as error:
        sys.exit(f"predict_onnx.py: {error}")
    session = onnxruntime.InferenceSession(program)
    logits = [session.run(["logits"], {"pixel_values": clip[None]})[0] for clip in clips]
    for label, score in scores_of(np.concatenate(logits), settings).items():
        print(f"{label}\t{score:.4f}")


if __name__ == "__main__":
    main()
