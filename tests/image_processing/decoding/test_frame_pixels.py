"""Frames of a video file look as in a player. Both readers return the same pixels."""

import enum
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from PIL import Image

from lgi_former.image_processing import read_video
from lgi_former.image_processing.decoding.frame_pixels import as_displayed
from lgi_former.image_processing.decoding.video_streams import video_stream


ONE = 1 << 16  # of a display matrix, in fixed point

QUADRANTS = np.zeros((48, 64, 3), np.uint8)
QUADRANTS[:24, :32], QUADRANTS[:24, 32:], QUADRANTS[24:, :32], QUADRANTS[24:, 32:] = 40, 100, 160, 220


def write(path, frames, codec="libx264", pix_fmt="yuv420p", options=None, aspect=None, container=None, **colours):
    """Write frames, uint8 RGB or RGBA, and return the path. `colours` are codes of H.273."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=25, options=options or ({"crf": "4"} if codec == "libx264" else {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in colours.items():
            setattr(stream.codec_context, name, value)
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


# Orientation

MATRICES = {  # a, b, c, d, and the displayed pixels
    "as it is": ((1, 0, 0, 1), lambda pixels: pixels),
    "mirrored left to right": ((-1, 0, 0, 1), lambda pixels: pixels[:, ::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda pixels: pixels[::-1, ::-1]),
    "mirrored top to bottom": ((1, 0, 0, -1), lambda pixels: pixels[::-1]),
    "transposed": ((0, 1, 1, 0), lambda pixels: pixels.swapaxes(0, 1)),
    "quarter turn to the right": ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, -1)),
    "transposed at the other diagonal": ((0, -1, -1, 0), lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1)),
    "quarter turn to the left": ((0, -1, 1, 0), lambda pixels: np.rot90(pixels, 1)),
}


def set_display_matrix(path, a, b, c, d):
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(content)


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrices_turn_and_mirror(name, read_both, tmp_path):
    path = write(tmp_path / "a.mp4", [QUADRANTS] * 3)
    stored = read_both(path)[0]
    factors, shown = MATRICES[name]
    set_display_matrix(path, *(ONE * factor for factor in factors))
    for pixels in read_both(path):
        assert (pixels == shown(stored)).all()


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((0, 0, 0, 0), "as it is"),
        ((2 * ONE, 0, 0, 2 * ONE), "as it is"),
        ((int(0.98 * ONE), int(0.17 * ONE), int(-0.17 * ONE), int(0.98 * ONE)), "as it is"),
        ((int(0.17 * ONE), int(0.98 * ONE), int(-0.98 * ONE), int(0.17 * ONE)), "quarter turn to the right"),
        ((int(-0.98 * ONE), int(0.17 * ONE), int(0.17 * ONE), int(0.98 * ONE)), "mirrored left to right"),
        ((-(1 << 31), 0, 0, -(1 << 31)), "half a turn"),
    ],
)
def test_other_matrices_act_like_the_nearest(matrix, shown):
    a, b, c, d = matrix
    pixels = as_displayed(QUADRANTS, np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32))
    assert (pixels == MATRICES[shown][1](QUADRANTS)).all()


# Shape of the pixels


@pytest.mark.parametrize(
    ("aspect", "width"),
    [
        *[((16, 11), 93), ((8, 9), 57), ((2, 1), 128), ((1, 2), 32), ((12, 11), 70)],
        *[((1, 1), 64), (None, 64), ((1, 50), 64), ((255, 1), 64)],  # the last two are errors in the file
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_pixels_are_square(name, aspect, width, read_both, tmp_path):
    aspect = aspect and Fraction(*aspect)
    frames = read_both(write(tmp_path / name, [QUADRANTS] * 3, aspect=aspect))
    assert frames.shape == (3, 48, width, 3)
    corners = frames[0, [2, 2, -3, -3], [2, -3, 2, -3], 0].astype(int)
    assert np.abs(corners - [40, 100, 160, 220]).max() <= 4


def test_the_codec_defines_the_shape_of_a_dvd(read_both, tmp_path):
    path = write(tmp_path / "a.mpg", [QUADRANTS] * 30, "mpeg2video", aspect=Fraction(4, 3))  # 16:9
    assert read_both(path).shape == (30, 48, 85, 3)


def test_a_circle_is_a_circle(read_both, tmp_path):
    y, x = np.mgrid[:96, :88]
    circle = np.repeat(255 * ((x * 2 - 88) ** 2 + (y - 48) ** 2 < 40**2)[..., None], 3, axis=-1).astype(np.uint8)
    bright = read_both(write(tmp_path / "a.mp4", [circle] * 2, aspect=Fraction(2)))[0, ..., 0] > 127
    assert abs(int(bright.any(axis=0).sum()) - int(bright.any(axis=1).sum())) <= 2


def test_pixels_become_square_before_the_picture_is_turned(read_both, tmp_path):
    path = write(tmp_path / "a.mp4", [QUADRANTS] * 2, aspect=Fraction(2))
    set_display_matrix(path, 0, ONE, -ONE, 0)
    assert read_both(path).shape == (2, 128, 48, 3)


def test_the_codec_defines_the_shape_if_the_container_does_not(read_both, tmp_path):
    path = write(tmp_path / "a.mp4", [QUADRANTS] * 2, aspect=Fraction(2))
    content = path.read_bytes()
    assert content.count(b"pasp") == 1
    path.write_bytes(content.replace(b"pasp", b"free"))
    assert read_both(path).shape == (2, 48, 128, 3)


# Interlacing


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mpg", "mpeg2video", "yuv420p", {"flags": "+ildct+ilme"}),
        ("a.ts", "mpeg2video", "yuv422p", {"flags": "+ildct+ilme"}),
        ("a.mp4", "libx264", "yuv420p", {"flags": "+ildct+ilme", "crf": "4"}),
        ("a.mkv", "libx264", "yuv420p10le", {"flags": "+ildct+ilme", "crf": "4"}),
        ("a.avi", "mpeg4", "yuv420p", {"flags": "+ildct+ilme"}),
    ],
)
def test_interlaced_frames_have_no_combs(name, codec, pix_fmt, options, read_both, tmp_path):
    comb = np.full((64, 64, 3), 40, np.uint8)
    comb[::2] = 210
    frames = read_both(write(tmp_path / name, [comb] * 8, codec, pix_fmt, options))
    assert len(frames) == 8
    lines = frames[:, 8:-8, 8:-8, 0].astype(int)
    assert np.abs(np.diff(lines, axis=1)).max() < 20


def test_progressive_frames_are_not_changed(read_both, tmp_path):
    comb = np.full((64, 64, 3), 40, np.uint8)
    comb[::2] = 210
    lines = read_both(write(tmp_path / "a.mp4", [comb] * 2))[0, :, 32, 0].astype(int)
    assert np.abs(np.diff(lines)).min() > 100


def test_deinterlacing_preserves_colours_and_full_range(read_both, tmp_path):
    picture = np.full((64, 64, 3), (200, 50, 100), np.uint8)
    coloured = {"colorspace": 1, "color_range": 2}
    options = {"flags": "+ildct+ilme", "crf": "4"}
    interlaced = read_both(write(tmp_path / "a.mp4", [picture] * 2, options=options, **coloured))
    progressive = read_both(write(tmp_path / "b.mp4", [picture] * 2, **coloured))
    assert np.abs(interlaced.astype(int) - progressive).max() <= 2


# Colours

RED = np.array([200, 50, 100], np.uint8)
LUMINANCE = {601: (0.299, 0.114), 709: (0.2126, 0.0722), 2020: (0.2627, 0.0593)}  # of red and blue


def write_colour(path, matrix, is_full_range=False, size=(48, 64), **tags):
    """Write a video of one colour. Its luma and chroma are computed here."""
    red, blue = LUMINANCE[matrix]
    r, g, b = RED / 255
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = np.array([(b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)])
    planes = [luma * 255, *(chroma * 255 + 128)] if is_full_range else [16 + luma * 219, *(chroma * 224 + 128)]
    height, width = size
    shapes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    content = [np.full(shape, round(value), np.uint8).ravel() for shape, value in zip(shapes, planes, strict=True)]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        pixels = np.concatenate(content).reshape(height * 3 // 2, width)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("matrix", "options"),
    [
        (709, {"colorspace": 1}),
        (709, {"colorspace": 1, "color_range": 2, "is_full_range": True}),
        (601, {"colorspace": 5}),
        (601, {"colorspace": 6, "color_range": 2, "is_full_range": True}),
        (2020, {"colorspace": 9}),
        (601, {"colorspace": 5, "size": (720, 1280)}),
        (709, {"colorspace": 1, "size": (720, 1280)}),
        (601, {}),
        (601, {"size": (576, 720)}),
        (709, {"size": (720, 1280)}),
        (709, {"size": (720, 960)}),
        (709, {"size": (1280, 720)}),
        (709, {"size": (544, 1280)}),
    ],
)
def test_colours_follow_their_tags_or_the_size(matrix, options, read_both, tmp_path):
    frames = read_both(write_colour(tmp_path / "a.mp4", matrix, **options))
    assert np.abs(frames[0, 20, 20].astype(int) - RED).max() <= 3


# Wide colours and high dynamic range


def pq(nits):
    """Signal of an amount of light, SMPTE ST 2084."""
    power = (np.asarray(nits) / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def write_wide(path, signal, transfer, primaries=9):
    picture = np.broadcast_to(np.round(np.asarray(signal) * 65535).astype(np.uint16), (96, 128, 3)).copy()
    with av.open(str(path), "w") as file:
        options = {"x265-params": "log-level=none:crf=1:pools=none:frame-threads=1:bframes=0"}
        stream = file.add_stream("libx265", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_trc, context.color_primaries, context.color_range = 9, transfer, primaries, 1
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("nits", "shown"),
    # Below the knee it is the light by 203 nits, encoded with a gamma of 2.4.
    [
        (0, 0),
        *((nits, 255 * (nits / 203) ** (1 / 2.4)) for nits in (1, 10, 50, 80)),
        (203, 231),
        (1000, 255),
        (4000, 255),
    ],
)
def test_pq_is_mapped_to_standard_range(nits, shown, read_both, tmp_path):
    grey = read_both(write_wide(tmp_path / "a.mp4", [pq(nits)] * 3, 16))[0, 20, 20].astype(int)
    assert np.abs(grey - round(shown)).max() <= 3


@pytest.mark.parametrize(("signal", "nits"), [(0.1, 0.0033 * 0.0033**0.2 * 1000), (0.5, 50.7), (1.0, 1000)])
def test_hlg_is_mapped_to_standard_range(signal, nits, read_both, tmp_path):
    grey = read_both(write_wide(tmp_path / "a.mp4", [signal] * 3, 18))[0, 20, 20].astype(int)
    same_light = read_both(write_wide(tmp_path / "b.mp4", [pq(nits)] * 3, 16))[0, 20, 20].astype(int)
    assert np.abs(grey - same_light).max() <= 4


def test_bt2020_becomes_bt709(read_both, tmp_path):
    # The red of BT.709 in BT.2020, at 50 nits.
    nits = 50 * np.array([0.6274, 0.0691, 0.0164])
    red = read_both(write_wide(tmp_path / "a.mp4", pq(nits), 16))[0, 20, 20].astype(int)
    assert np.abs(red - [142, 0, 0]).max() <= 12
    signal = np.array([0.6274, 0.0691, 0.0164]) ** (1 / 2.4)
    red = read_both(write_wide(tmp_path / "b.mp4", signal, 14))[0, 20, 20].astype(int)
    assert np.abs(red - [255, 0, 0]).max() <= 20


# Transparency


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("b.webm", "libvpx", "yuva420p"),
        *[("a.webm", "libvpx-vp9", "yuva420p"), ("b.mkv", "ffv1", "yuva420p"), ("a.mkv", "ffv1", "bgra")],
        *[("a.mov", "qtrle", "argb"), ("b.mov", "prores_ks", "yuva444p10le")],
    ],
)
def test_transparent_pixels_are_black(name, codec, pix_fmt, read_both, tmp_path):
    picture = np.full((48, 96, 4), (200, 40, 40, 255), np.uint8)
    picture[:, 32:64, 3] = 128
    picture[:, 64:, 3] = 0
    options = {"auto-alt-ref": "0", "deadline": "realtime"} if codec == "libvpx" else {}
    for frame in read_both(write(tmp_path / name, [picture] * 30, codec, pix_fmt, options)):
        opaque, half, hidden = (frame[8:40, start + 8 : start + 24].mean(axis=(0, 1)) for start in (0, 32, 64))
        assert np.abs(opaque - [200, 40, 40]).max() < 12
        assert np.abs(half - [100, 20, 20]).max() < 12
        assert hidden.max() < 3


def test_single_frames_of_a_transparent_video_are_exact(read_both, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [np.repeat(np.repeat(rng.integers(0, 255, (6, 8, 4), np.uint8), 8, 0), 8, 1) for _ in range(40)]
    path = write(tmp_path / "a.webm", pictures, "libvpx-vp9", "yuva420p", {"g": "8"})
    whole = read_both(path)
    frames, _ = read_video(path, lambda metadata: np.array([3, 21, 39]))
    assert (frames == whole[[3, 21, 39]]).all()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_tags_of_the_container_replace_missing_tags_of_frames(name, read_both, tmp_path):
    """Decoders of HEVC overwrite the tags of the container."""
    tagged = write_wide(tmp_path / "tagged.mp4", [pq(300)] * 3, 16)
    untag = "hevc_metadata=transfer_characteristics=2:colour_primaries=2:matrix_coefficients=2"
    with av.open(str(tagged)) as old, av.open(str(tmp_path / name), "w", options={"movflags": "write_colr"}) as new:
        source = old.streams.video[0]
        stream = new.add_stream_from_template(source)
        change = BitStreamFilterContext(untag, source, stream)
        context = source.codec_context
        stream.codec_context.color_trc, stream.codec_context.color_primaries = (
            context.color_trc,
            context.color_primaries,
        )
        stream.codec_context.colorspace = context.colorspace
        for packet in old.demux(video=0):
            for filtered in change.filter(packet if packet.size else None):
                filtered.stream = stream
                new.mux(filtered)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.color_trc == 16
        assert next(container.decode(video=0)).color_trc == 2
    assert (read_both(tmp_path / name) == read_both(tagged)).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_motion_jpeg_may_have_exif_data(orientation, read_both, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    picture = Image.new("RGB", (96, 64))
    picture.paste((255, 255, 255), (0, 0, 24, 24))
    picture.save(tmp_path / "1.jpg", exif=exif)
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(3):
            packet = av.Packet((tmp_path / "1.jpg").read_bytes())
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), number, number
            container.mux(packet)
    frames = read_both(tmp_path / "a.avi")
    (image,), _ = read_video(tmp_path / "1.jpg", lambda metadata: np.array([0]))
    assert frames.shape == (3, *image.shape) and np.abs(frames.astype(int) - image).max() <= 3


def test_flags_of_streams_may_be_an_enumeration():
    """PyAV 17.0 has an enumeration instead of a number."""
    flags = enum.Flag("Disposition", {"default": 1, "attached_pic": 1024})
    cover, pictures = (SimpleNamespace(disposition=flag) for flag in (flags.attached_pic, flags.default))
    container = SimpleNamespace(streams=SimpleNamespace(video=[cover, pictures]))
    assert video_stream(container) is pictures
