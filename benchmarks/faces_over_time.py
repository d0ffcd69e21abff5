"""Follows real faces over a cut and past each other, and draws who is who.

    python benchmarks/faces_over_time.py record WOMAN.mp4 MAN.mp4 BACKGROUND.mp4 after.json
    python benchmarks/faces_over_time.py draw WOMAN.mp4 MAN.mp4 BACKGROUND.mp4 before.json after.json

`record` follows the faces with the installed release. It also runs with earlier releases, which have no `find_cuts`.
With `--identify`, people who return are recognised. `draw` writes results/faces_over_time_SCENE.png. A row is a
recording, and the number beside a face is its person.
The pictures are in results/faces_over_time.md.
"""

import argparse
import json
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lgi_former.image_processing import FaceCropper, open_frames


RESULTS = Path(__file__).parent / "results"
FRAME_RATE, SECONDS = 25, 6
COUNT = FRAME_RATE * SECONDS
FACES = {"woman": (330, 0, 570, 240), "man": (180, 60, 380, 260)}  # boxes in frames of 640 x 360 pixels
COLOURS = ("#ffd400", "#00c8ff", "#ff5ad2", "#5aff5a", "#ff8c1a", "#c8a0ff")
COLUMNS, TILE = 8, (160, 90)


def read(path: str, count: int) -> np.ndarray:
    """The first frames of a video, uint8 (count, 360, 640, 3), from the end back to the start if it is too short."""
    with av.open(path) as container:
        frames = [f.to_ndarray(format="rgb24", width=640, height=360) for f in container.decode(video=0)]
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    return np.stack([frames[order[index % len(order)]] for index in range(count)])


def close_up(frames: np.ndarray, box: tuple, size: tuple[int, int]) -> np.ndarray:
    """A part of each frame, in another size (width, height)."""
    return np.stack([np.asarray(Image.fromarray(frame).crop(box).resize(size)) for frame in frames])


def cut_scene(woman, man, background) -> np.ndarray:
    """The face of the woman for two seconds, the man's face in its place for two seconds, and the woman again."""
    parts = [close_up(face, FACES[name], (360, 360)) for name, face in (("woman", woman), ("man", man))]
    third = COUNT // 3
    return np.concatenate([parts[0][:third], parts[1][third : 2 * third], parts[0][2 * third :]])


def crossing_scene(woman, man, background, turn: bool = False) -> np.ndarray:
    """The faces move towards each other. They pass each other, the man in front, or turn back where they meet."""
    size = 150
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    shape = (((columns / 0.8) ** 2 + rows**2) < 0.9)[..., None]
    faces = [close_up(face, FACES[name], (size, size)) for name, face in (("woman", woman), ("man", man))]
    scene = background.copy()
    for index in range(COUNT):
        way = index / (COUNT - 1)
        way = 0.5 - abs(way - 0.5) if turn else way
        for frames, left in zip(faces, (way, 1 - way), strict=True):
            start = 20 + round(left * (640 - size - 40))
            place = scene[index, 100 : 100 + size, start : start + size]
            place[:] = np.where(shape, frames[index], place)
    return scene


SCENES = {
    "cut": cut_scene,
    "crossing": crossing_scene,
    "meeting": lambda *clips: crossing_scene(*clips, turn=True),
}


def follow(frames: np.ndarray, identify: bool) -> list[list]:
    """The people of each frame: number and box."""
    with open_frames(frames, FRAME_RATE) as stream:
        try:
            from lgi_former.image_processing.decoding.shots import find_cuts
        except ImportError:  # an earlier release
            pass
        else:
            find_cuts(stream)
        options = {"identify": True} if identify else {}
        followed = FaceCropper().follow(stream, **options)
        return [[[face.person, *face.box.round().tolist()] for face in faces] for _, faces in followed]


def draw(frames: np.ndarray, recordings: dict[str, list[list]]) -> Image.Image:
    """A row of frames for each recording, with the boxes and numbers of people."""
    font = ImageFont.load_default(15)
    picture = Image.new("RGB", (COLUMNS * TILE[0], len(recordings) * (TILE[1] + 22)), "white")
    for row, (name, people) in enumerate(recordings.items()):
        top = row * (TILE[1] + 22)
        numbers = len({person for faces in people for person, *_ in faces})
        ImageDraw.Draw(picture).text((4, top + 2), f"{name}: {numbers} people", "black", font)
        for column, index in enumerate(np.linspace(3, COUNT - 4, COLUMNS).astype(int)):
            tile = Image.fromarray(frames[index])
            scale = min(TILE[0] / tile.width, TILE[1] / tile.height)
            tile = tile.resize((round(tile.width * scale), round(tile.height * scale)))
            pen = ImageDraw.Draw(tile)
            for person, *box in people[index]:
                left, upper, right, lower = (edge * scale for edge in box)
                colour = COLOURS[person % len(COLOURS)]
                pen.rectangle((left, upper, right, lower), outline=colour, width=2)
                pen.rectangle((left, upper, left + 12, upper + 17), fill=colour)
                pen.text((left + 2, upper), str(person + 1), "black", font)
            picture.paste(tile, (column * TILE[0] + (TILE[0] - tile.width) // 2, top + 22))
    return picture.quantize(96)


def main():
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "draw"))
    parser.add_argument("videos", nargs=3, metavar="VIDEO")
    parser.add_argument("recordings", nargs="+", metavar="JSON")
    parser.add_argument("--identify", action="store_true")
    args = parser.parse_args()
    clips = [read(path, COUNT) for path in args.videos]
    scenes = {name: make(*clips) for name, make in SCENES.items()}
    if args.command == "record":
        followed = {name: follow(frames, args.identify) for name, frames in scenes.items()}
        Path(args.recordings[0]).write_text(json.dumps(followed))
        return
    recordings = {Path(path).stem.replace("_", " "): json.loads(Path(path).read_text()) for path in args.recordings}
    for name, frames in scenes.items():
        people = {recording: of_scene[name] for recording, of_scene in recordings.items()}
        draw(frames, people).save(RESULTS / f"faces_over_time_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
