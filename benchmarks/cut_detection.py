"""Counts missed cuts and false alarms of `find_cuts`, and of the detectors of PySceneDetect.

The videos are joined, cut, and disturbed by flashes, motion, fades and other changes, with a fixed seed.

    pip install scenedetect opencv-python-headless
    python benchmarks/cut_detection.py ONE_SHOT.mp4 ANOTHER.mp4 ... --real EDITED.mp4:30,76,137

Each video shows one shot, at least 70 frames long. An edited video has the frame numbers of its cuts behind it.
The results are in results/faces_over_time.md.
"""

import argparse
import time
from collections import defaultdict

import av
import numpy as np
from PIL import Image

from lgi_former.image_processing import TimedFrame
from lgi_former.image_processing.decoding.frame_stream import FrameStream
from lgi_former.image_processing.decoding.shots import find_cuts


WIDTH, HEIGHT = 320, 180
COUNT = 70  # frames of a disturbed shot
GRADUAL = ("fade through black", "dissolve")


def read(path: str, scale: int = 1) -> np.ndarray:
    """All frames of a video, uint8 (frames, height, width, 3)."""
    size = {"width": scale * WIDTH, "height": scale * HEIGHT, "interpolation": "AREA"}
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24", **size) for frame in container.decode(video=0)])


def windowed(frames, rights, downs, side=0.8):
    """Each frame seen through a window of a share `side` of it, moved by shares of the width and the height."""
    height, width = frames.shape[1:3]
    seen = []
    for frame, right, down in zip(frames, rights, downs, strict=True):
        left, top = (round((0.5 - side / 2 + move) * size) for move, size in ((right, width), (down, height)))
        box = (left, top, left + round(side * width), top + round(side * height))
        seen.append(np.asarray(Image.fromarray(frame).crop(box).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)))
    return np.stack(seen)


def joined(random, shots, lengths, every=1):
    """Pieces of shots, one after another, and the cuts between them."""
    pieces, last = [], None
    for length in lengths:
        last = random.choice([index for index in range(len(shots)) if index != last])
        shot = shots[last][::every]
        start = random.integers(0, len(shot) - length + 1)
        pieces.append(shot[start : start + length])
    return np.concatenate(pieces), np.cumsum(lengths)[:-1].tolist()


def transitions(random, shots):
    """Fades through black and dissolves. Yield their name, the frames and the cut."""
    first, second = (shots[index][:40].astype(float) for index in random.permutation(len(shots))[:2])
    light = np.linspace(1, 0, random.integers(5, 12))[:, None, None, None]
    out, into = first.copy(), second.copy()
    out[-len(light) :] *= light
    into[: len(light)] *= light[::-1]
    yield "fade through black", np.concatenate([out, into]), 40
    light = np.linspace(1, 0, random.integers(3, 20))[:, None, None, None]
    mixed = first[-len(light) :] * light + second[: len(light)] * (1 - light)
    yield "dissolve", np.concatenate([first[: -len(light)], mixed, second[len(light) :]]), 40 - len(light) // 2


def disturbances(random, shot, large):
    """Changes within one shot, which is given in two sizes. Yield their name, the frames and the frame rate."""
    steps, shot, still = np.arange(COUNT), shot[:COUNT], np.zeros(COUNT)
    yield "undisturbed", shot, 25
    for length in (1, 2, 4):
        flash = shot.astype(float)
        for start in (15, 40, 55):
            flash[start : start + length] = flash[start : start + length] * random.uniform(1.5, 3) + 75
        yield "flash", flash, 25
    white = shot.copy()
    white[30:32], white[50] = 255, 0
    yield "flash", white, 25
    light = shot.astype(float)
    light[25:50] *= 0.45
    yield "light off and on", light, 25
    for reach in (0.03, 0.06, 0.1):
        yield "camera shake", windowed(large[:COUNT], *random.uniform(-reach, reach, (2, COUNT))), 25
    for speed in (0.01, 0.02, 0.04):
        yield "pan", windowed(large[:COUNT], abs(steps * speed % 0.8 - 0.4) - 0.2, still, 0.6), 25
    sides = 0.4 + abs(steps * 0.03 % 1 - 0.5)
    zoom = [windowed(large[i : i + 1], [0], [0], sides[i])[0] for i in range(COUNT)]
    yield "fast zoom", np.stack(zoom), 25
    passer = shot.copy()
    for start in (10, 30, 50):
        for step in range(9):
            left = (step - 2) * WIDTH // 6
            passer[start + step, 20:, max(left, 0) : max(left + WIDTH * 9 // 20, 0)] = (90, 40, 30)
    yield "somebody passes the camera", passer, 25
    yield "noise", shot + random.normal(0, 25, shot.shape), 25
    for every in (3, 5, 12):
        yield f"{round(25 / every)} frames per second", shot[::every], 25 / every


def sequences(paths, real):
    """Yield the name of a kind, frames, frame rate and cuts."""
    random = np.random.default_rng(0)
    shots, large = [read(path) for path in paths], [read(path, 2) for path in paths]
    for path, cuts in real:
        yield "real cuts", read(path), 25, cuts
    for _ in range(24):
        yield "joined shots", *_with_rate(joined(random, shots, random.integers(10, 50, 6)), 25)
    for _ in range(8):
        yield "joined, 6 frames per second", *_with_rate(joined(random, shots, random.integers(8, 14, 4), 4), 6)
    for shot, double in zip(shots, large, strict=True):
        for right, down in ((0, 0), (-0.2, 0.1), (0.2, -0.1)):
            close = windowed(double[30:60], [right] * 30, [down] * 30, 0.5)
            yield "close-up of the same scene", np.concatenate([shot[:30], close, shot[50:70]]), 25, [30, 60]
    for _ in range(12):
        for kind, frames, cut in transitions(random, shots):
            yield kind, frames, 25, [cut]
    for shot, double in zip(shots, large, strict=True):
        for kind, frames, rate in disturbances(random, shot, double):
            yield kind, frames, rate, []


def _with_rate(pieces, rate):
    frames, cuts = pieces
    return frames, rate, cuts


def own(frames, rate):
    """The cuts that `find_cuts` finds."""
    timed = (TimedFrame(index, index / rate, lambda frame=frame: frame) for index, frame in enumerate(frames))
    stream = FrameStream(timed, rate, len(frames))
    find_cuts(stream)
    for _ in stream:
        pass
    return [round(cut * rate) for cut in stream.cuts]


def scene_detect(name):
    """A function that returns the cuts of a detector of PySceneDetect with its defaults, for shots of any length."""
    from scenedetect import FrameTimecode, detectors

    def find(frames, rate):
        detector = getattr(detectors, name)(min_scene_len=1)
        found = []
        for index, frame in enumerate(frames):
            found += detector.process_frame(FrameTimecode(index, float(rate)), np.ascontiguousarray(frame[..., ::-1]))
        found += detector.post_process(FrameTimecode(len(frames) - 1, float(rate)))
        return sorted(cut.frame_num for cut in found)

    return find


def errors(found, cuts, reach):
    """The number of missed cuts and of false alarms. A cut is found within `reach` frames."""
    found, missed = list(found), 0
    for cut in cuts:
        near = [each for each in found if abs(each - cut) <= reach]
        if near:
            found.remove(min(near, key=lambda each: abs(each - cut)))
        else:
            missed += 1
    return missed, len(found)


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--real", nargs="*", default=[], metavar="VIDEO:CUTS")
    args = parser.parse_args()
    real = [(path, [int(cut) for cut in cuts.split(",")]) for path, _, cuts in (r.rpartition(":") for r in args.real)]
    finders = {"find_cuts": own, **{name: scene_detect(name) for name in ("ContentDetector", "AdaptiveDetector")}}
    totals, seconds = defaultdict(lambda: np.zeros(2 + 2 * len(finders), int)), dict.fromkeys(finders, 0.0)
    for kind, frames, rate, cuts in sequences(args.videos, real):
        frames = np.clip(frames, 0, 255).astype(np.uint8)
        row = [len(frames), len(cuts)]
        for name, find in finders.items():
            start = time.process_time()
            row += errors(find(frames, rate), cuts, 12 if kind in GRADUAL else 1)
            seconds[name] += time.process_time() - start
        totals[kind] += row
    print("| Material | Frames | Cuts |", " | ".join(f"{name}: missed | false" for name in finders), "|")
    print("| --- |", " | ".join("---" for _ in range(2 + 2 * len(finders))), "|")
    for kind, row in totals.items():
        print("|", kind, "|", " | ".join(map(str, row)), "|")
    frames = sum(row[0] for row in totals.values())
    print(", ".join(f"{name}: {1000 * each / frames:.2f} ms per frame" for name, each in seconds.items()))


if __name__ == "__main__":
    main()
