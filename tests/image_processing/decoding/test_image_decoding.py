import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from transformers.image_utils import load_image

from lgi_former.image_processing import VideoReadError, every_frame, read_video
from lgi_former.image_processing.decoding import image_decoding
from lgi_former.image_processing.decoding.image_decoding import decode_image
from lgi_former.image_processing.decoding.video_inputs import split_into_videos


@pytest.fixture
def picture():
    """An RGB image of smooth colours and noise, 50 x 34 pixels. The sides are not multiples of 8."""
    y, x = np.mgrid[0:34, 0:50]
    colours = np.stack([4 * x, 6 * y, 255 - 2 * x - 2 * y], axis=-1) + np.random.default_rng(0).normal(
        0, 8, (34, 50, 3)
    )
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8))


def no_pillow(path):
    raise AssertionError(f"Pillow decodes {path}")


@pytest.mark.parametrize("suffix", ["jpg", "JPEG"])
@pytest.mark.parametrize("options", [{}, {"quality": 95, "subsampling": 0}, {"progressive": True, "quality": 50}])
def test_simplejpeg_decodes_colour_jpeg_like_pillow(picture, suffix, options, tmp_path, monkeypatch):
    file = tmp_path / f"a.{suffix}"
    picture.save(file, **options)
    expected = np.array(load_image(str(file)))
    monkeypatch.setattr(image_decoding, "rgb_pixels", no_pillow)
    pixels = decode_image(file)
    assert pixels.dtype == np.uint8 and pixels.shape == (34, 50, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_jpeg_is_decoded_without_simplejpeg(picture, tmp_path, monkeypatch):
    picture.save(tmp_path / "a.jpg")
    expected = decode_image(tmp_path / "a.jpg")
    monkeypatch.setattr(image_decoding, "simplejpeg", None)
    assert np.abs(decode_image(tmp_path / "a.jpg").astype(int) - expected).max() <= 1


def exif_that_turns():
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation of a camera that was turned to the right
    return exif


@pytest.mark.parametrize(
    ("mode", "name", "options"),
    [
        ("L", "grey.jpg", {}),
        ("CMYK", "print.jpg", {}),
        ("RGB", "turned.jpg", {"exif": exif_that_turns()}),
        ("RGB", "png_inside.jpg", {"format": "PNG"}),
        ("RGB", "a.png", {}),
        ("P", "palette.png", {}),
    ],
)
def test_pillow_decodes_other_images(picture, mode, name, options, tmp_path):
    picture.convert(mode).save(tmp_path / name, **options)
    pixels = decode_image(tmp_path / name)
    assert pixels.shape == ((50, 34, 3) if "exif" in options else (34, 50, 3))
    assert (pixels == np.array(load_image(str(tmp_path / name)))).all()


def test_orientation_is_found_after_other_headers(picture, tmp_path):
    picture.save(tmp_path / "a.jpg", exif=exif_that_turns())
    content = (tmp_path / "a.jpg").read_bytes()
    colour_profile = b"\xff\xe2\x00\x06\xff\xda\x00\x00"  # holds the bytes of a start of scan
    (tmp_path / "a.jpg").write_bytes(content[:2] + colour_profile + content[2:])
    assert decode_image(tmp_path / "a.jpg").shape == (50, 34, 3)


def test_pillow_refuses_jpeg_that_needs_gigabytes(picture, tmp_path, monkeypatch):
    picture.save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800)
    with pytest.raises(Image.DecompressionBombError):
        decode_image(tmp_path / "a.jpg")


def test_truncated_jpeg_is_an_error(picture, tmp_path):
    picture.save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(OSError, match="truncated"):
        decode_image(tmp_path / "a.jpg")


# Orientation

ORIENTED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "RGB"), ("a.png", "RGB"), ("a.webp", "RGB"), ("a.png", "I;16"), ("a.png", "LA")]
)
def test_all_orientations_of_exif(name, mode, orientation, tmp_path):
    blocks = np.kron(np.array([[40, 100, 40], [160, 220, 220]], np.uint8), np.ones((16, 16), np.uint8))
    stored = Image.fromarray(blocks.astype(np.uint16) << 8 if mode == "I;16" else blocks)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = stored if mode == "I;16" else stored.convert(mode)
    stored.save(tmp_path / name, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
    pixels = decode_image(tmp_path / name)[..., 0].astype(int)
    expected = ORIENTED[orientation](blocks)
    assert pixels.shape == expected.shape and np.abs(pixels - expected).max() <= 6


# Depth and transparency


def write_png(path, pixels, colour_type, transparent=b""):
    """Write 16-bit pixels (height, width, channels). Pillow cannot write them in colour."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        *([(b"tRNS", transparent)] if transparent else []),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    content = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))


@pytest.mark.parametrize(
    ("colour_type", "stored", "transparent", "shown"),
    [
        (0, [0], b"", [0, 0, 0]),
        (0, [8192], b"", [32, 32, 32]),
        (0, [57344], b"", [224, 224, 224]),
        (0, [65535], b"", [255, 255, 255]),
        (0, [8192], struct.pack(">H", 8192), [0, 0, 0]),
        (0, [8192], struct.pack(">H", 8193), [32, 32, 32]),
        (2, [8192, 16384, 65535], b"", [32, 64, 255]),
        (2, [8192, 16384, 65535], struct.pack(">HHH", 8192, 16384, 65535), [0, 0, 0]),
        (4, [57344, 65535], b"", [224, 224, 224]),
        (4, [57344, 0], b"", [0, 0, 0]),
        (6, [57344, 8192, 0, 32768], b"", [112, 16, 0]),
    ],
)
def test_16_bits_become_8(colour_type, stored, transparent, shown, tmp_path):
    write_png(tmp_path / "a.png", np.full((4, 4, len(stored)), stored), colour_type, transparent)
    assert np.abs(decode_image(tmp_path / "a.png").astype(int) - shown).max() <= 1


def test_other_grey_levels_are_read_or_refused(tmp_path):
    for name, values in [
        ("wide", [[0, 70000]]),
        ("negative", [[-1, 200]]),
        ("unit", [[0.2, 1.0]]),
        ("nan", [[np.nan, 1]]),
    ]:
        kind = np.float32 if name in ("unit", "nan") else np.int32
        Image.fromarray(np.array(values, kind)).save(tmp_path / f"{name}.tif")
        with pytest.raises(VideoReadError, match=rf"{name}\.tif' cannot be read as a frame: its grey levels go from"):
            read_video(tmp_path / f"{name}.tif", every_frame)
    Image.fromarray(np.array([[0, 32768]], np.int32)).save(tmp_path / "a.tif")
    Image.fromarray(np.array([[0, 127.6]], np.float32)).save(tmp_path / "b.tif")
    assert decode_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128]
    assert decode_image(tmp_path / "b.tif")[0, :, 0].tolist() == [0, 128]


def transparent_pictures():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 40])
    return {
        "RGBA": (Image.new("RGBA", (8, 8), (200, 100, 40, 0)), {}, [0, 0, 0]),
        "RGBA, half": (Image.new("RGBA", (8, 8), (200, 100, 40, 128)), {}, [100, 50, 20]),
        "LA": (Image.new("LA", (8, 8), (200, 0)), {}, [0, 0, 0]),
        "palette, one colour": (palette, {"transparency": 1}, [0, 0, 0]),
        "palette, half": (palette, {"transparency": bytes([255, 128])}, [100, 50, 20]),
        "palette, other colour": (palette, {"transparency": 0}, [200, 100, 40]),
        "RGB, one colour": (Image.new("RGB", (8, 8), (200, 100, 40)), {"transparency": (200, 100, 40)}, [0, 0, 0]),
        "L, one level": (Image.new("L", (8, 8), 200), {"transparency": 200}, [0, 0, 0]),
    }


@pytest.mark.parametrize("name", transparent_pictures())
def test_transparent_pixels_are_on_black(name, tmp_path):
    picture, options, shown = transparent_pictures()[name]
    picture.save(tmp_path / "a.png", **options)
    assert np.abs(decode_image(tmp_path / "a.png").astype(int) - shown).max() <= 1


@pytest.mark.parametrize(("mode", "colour", "shown"), [("1", 1, 255), ("CMYK", (0, 0, 0, 0), 255), ("L", 77, 77)])
def test_other_modes_are_read(mode, colour, shown, tmp_path):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    Image.new(mode, (8, 8), colour).save(tmp_path / name)
    assert (decode_image(tmp_path / name) == shown).all()


def test_pictures_in_memory_are_converted_like_files():
    (grey,) = split_into_videos([Image.fromarray(np.full((4, 4), 8192, np.uint16))])
    (hidden,) = split_into_videos([Image.new("RGBA", (4, 4), (255, 0, 0, 0))])
    assert grey.shape == (1, 3, 4, 4) and (grey == 32).all() and (hidden == 0).all()


def test_16_bits_whose_zero_is_white_are_not_inverted(tmp_path):
    path, entry = tmp_path / "a.tif", b"\x06\x01\x03\x00\x01\x00\x00\x00"  # of the tag 262, a short number
    Image.fromarray(np.array([[0, 8192, 65535]], np.uint16)).save(path)
    path.write_bytes(path.read_bytes().replace(entry + b"\x01", entry + b"\x00"))
    assert decode_image(path)[0, :, 0].tolist() == [255, 223, 0]
