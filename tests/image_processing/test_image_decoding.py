import numpy as np
import pytest
from PIL import Image
from transformers.image_utils import load_image

from lgi_former.image_processing import image_decoding
from lgi_former.image_processing.image_decoding import decode_image


@pytest.fixture
def picture():
    """Smooth colours and some noise: an RGB image of 50 x 34 pixels, multiples of neither 8 nor 16."""
    y, x = np.mgrid[0:34, 0:50]
    colours = np.stack([4 * x, 6 * y, 255 - 2 * x - 2 * y], axis=-1) + np.random.default_rng(0).normal(
        0, 8, (34, 50, 3)
    )
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8))


def no_pillow(path):
    raise AssertionError(f"{path} was left to Pillow")


@pytest.mark.parametrize("suffix", ["jpg", "JPEG"])
@pytest.mark.parametrize("options", [{}, {"quality": 95, "subsampling": 0}, {"progressive": True, "quality": 50}])
def test_colour_jpeg_is_decoded_as_pillow_does(picture, suffix, options, tmp_path, monkeypatch):
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
    exif[0x0112] = 6  # the orientation: taken with a camera turned to the right
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
def test_other_images_are_left_to_pillow(picture, mode, name, options, tmp_path):
    picture.convert(mode).save(tmp_path / name, **options)
    pixels = decode_image(tmp_path / name)
    assert pixels.shape == ((50, 34, 3) if "exif" in options else (34, 50, 3))
    assert (pixels == np.array(load_image(str(tmp_path / name)))).all()


def test_orientation_is_found_behind_other_headers(picture, tmp_path):
    picture.save(tmp_path / "a.jpg", exif=exif_that_turns())
    content = (tmp_path / "a.jpg").read_bytes()
    colour_profile = b"\xff\xe2\x00\x06\xff\xda\x00\x00"  # with what begins the picture elsewhere
    (tmp_path / "a.jpg").write_bytes(content[:2] + colour_profile + content[2:])
    assert decode_image(tmp_path / "a.jpg").shape == (50, 34, 3)


def test_jpeg_that_asks_for_gigabytes_is_left_to_pillow(picture, tmp_path, monkeypatch):
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
