"""Small video files of many kinds, and damaged copies of them. The same seed gives the same damage."""

import io
import random
import zipfile

import av
import numpy as np
from PIL import Image


FRAMES, HEIGHT, WIDTH = 12, 48, 64

ENCODERS = {
    "h264.mp4": ("libx264", {"g": "6", "bf": "2"}),
    "h264.mov": ("libx264", {"bf": "0"}),
    "h264.mkv": ("libx264", {"g": "6"}),
    "h264.flv": ("libx264", {}),
    "h264.ts": ("libx264", {"g": "6"}),
    "h264.avi": ("libx264", {"bf": "3"}),
    "open_gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=6:min-keyint=2:log-level=-1"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=none"}),
    "hevc.mkv": ("libx265", {"x265-params": "log-level=none"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2"}),
    "mpeg4.mkv": ("mpeg4", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "mpeg4.3gp": ("mpeg4", {}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}),
    "mpeg1.mpg": ("mpeg1video", {}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "8"}),
    "vp9.webm": ("libvpx-vp9", {"cpu-used": "8"}),
    "av1.mp4": ("libaom-av1", {"cpu-used": "8"}),
    "prores.mov": ("prores", {}),
    "wmv.wmv": ("wmv2", {}),
    "flv.flv": ("flv", {}),
    "mjpeg.avi": ("mjpeg", {}),
    "theora.ogv": ("libtheora", {}),
    "gif.gif": ("gif", {}),
}
"""Codec and options of each pair of codec and container."""

PIXEL_FORMATS = {"gif": "rgb8", "mjpeg": "yuvj420p", "prores": "yuv422p10le"}
EXTREMES = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def pictures() -> np.ndarray:
    """A square that moves before noise: uint8 (frames, height, width, 3)."""
    frames = np.random.default_rng(0).integers(60, 120, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[10:30, 3 * number : 3 * number + 20] = (20 * number, 255 - 20 * number, 128)
    return frames


def whole_files() -> dict[str, bytes]:
    """The contents of the files by name: all pairs that PyAV can encode here, and images and archives of Pillow."""
    files = {name: _encoded(name, *encoder) for name, encoder in ENCODERS.items() if encoder[0] in av.codecs_available}
    images = [Image.fromarray(frame) for frame in pictures()]
    for name, animation in (("animation.png", {}), ("animation.webp", {"lossless": True})):
        file = io.BytesIO()
        images[0].save(file, name.split(".")[1], save_all=True, append_images=images[1:], duration=40, **animation)
        files[name] = file.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for number, image in enumerate(images):
            file = io.BytesIO()
            image.save(file, "jpeg" if number else "png")
            target.writestr(zipfile.ZipInfo(f"{number}.{'jpg' if number else 'png'}"), file.getvalue())
    return files | {"frames.zip": archive.getvalue()}


def _encoded(name: str, codec: str, options: dict[str, str]) -> bytes:
    file = io.BytesIO()
    container_format = {"ts": "mpegts", "mkv": "matroska", "mpg": "mpeg", "wmv": "asf", "ogv": "ogg"}
    suffix = name.split(".")[1]
    exact = {"fflags": "+bitexact"}  # no random identifiers, so that the same seed gives the same files
    with av.open(file, "w", format=container_format.get(suffix, suffix), options=exact) as container:
        stream = container.add_stream(
            codec, rate=25, options={**options, "preset": "ultrafast"} if codec == "libx264" else options
        )
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, PIXEL_FORMATS.get(codec, "yuv420p")
        # With several threads, or with x264's analysis, the bytes differ from run to run.
        stream.codec_context.thread_count = 1
        for frame in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def damaged_file(files: dict[str, bytes], seed) -> tuple[str, bytes]:
    """A damaged copy of one of the files: its name, which says what was done, and its content."""
    draw = random.Random(str(seed))
    source = draw.choice(sorted(files))
    content, done = damage(draw, files[source], files)
    return f"{done}-{source}", content


def damage(draw: random.Random, content: bytes, files: dict[str, bytes] | None = None) -> tuple[bytes, str]:
    """A damaged copy of a content, and what was done. A part of a file, by default of itself, may be joined to it."""
    files, done = files or {"": content}, []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        change = draw.choice(CHANGES)
        content = change(draw, content, files)
        done.append(change.__name__.strip("_"))
    return content, "-".join(done)


def _place(draw, content: bytes) -> int:
    """A place in the content. Headers at the start are hit more often."""
    return draw.randrange(min(len(content), draw.choice((64, 1024, len(content)))) or 1) if content else 0


def _slice(draw, content: bytes) -> tuple[int, int]:
    start = _place(draw, content)
    return start, start + draw.choice((1, 4, 16, 188, 1000))


def _flip_bits(draw, content, files):
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 4, 32))):
        if changed:
            changed[_place(draw, content)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _cut_off(draw, content, files):
    return content[: draw.randrange(len(content) + 1)]


def _remove(draw, content, files):
    start, end = _slice(draw, content)
    return content[:start] + content[end:]


def _repeat(draw, content, files):
    start, end = _slice(draw, content)
    return content[:end] + content[start:end] * draw.choice((1, 2, 50)) + content[end:]


def _insert(draw, content, files):
    start, end = _slice(draw, content)
    return content[:start] + draw.randbytes(end - start) + content[start:]


def _overwrite(draw, content, files):
    start, end = _slice(draw, content)
    filler = draw.choice((b"\0", b"\xff", b" ", None))
    new = draw.randbytes(end - start) if filler is None else filler * (end - start)
    return content[:start] + new + content[end:]


def _extreme_number(draw, content, files):
    start, size = _place(draw, content), draw.choice((2, 4, 8))
    number = min(draw.choice(EXTREMES), 256**size - 1)
    return content[:start] + number.to_bytes(size, draw.choice(("big", "little"))) + content[start + size :]


def _exchange(draw, content, files):
    (first, end), (second, last) = sorted((_slice(draw, content), _slice(draw, content)))
    if end > second:
        return content[:first]
    return content[:first] + content[second:last] + content[end:second] + content[first:end] + content[last:]


def _splice(draw, content, files):
    other = files[draw.choice(sorted(files))]
    return content[: draw.randrange(len(content) + 1)] + other[draw.randrange(len(other) + 1) :]


CHANGES = (
    _flip_bits,
    _cut_off,
    _remove,
    _repeat,
    _insert,
    _overwrite,
    _extreme_number,
    _exchange,
    _splice,
)
