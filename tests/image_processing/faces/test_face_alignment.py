"""Fits of landmarks, and aligned crops of faces that a scripted detector finds."""

import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import FaceCropper, TimedFrame, crop_face
from lgi_former.image_processing.faces.face_alignment import MEAN_LANDMARKS, aligned_box, fit_landmarks


FRAME_RATE, NUM_FRAMES = 10, 60
BOX = np.array([70.0, 50, 130, 130])  # its longer side has 80 pixels


def face(degrees=0.0, side=80.0, centre=100 + 90j, move=0, box=BOX):
    """A row of a detector: a face that is rotated clockwise. `move` is added to the landmarks."""
    points = centre + side * np.exp(1j * np.radians(degrees)) * (MEAN_LANDMARKS + move)
    return np.array([*box, 0.9, *np.column_stack([points.real, points.imag]).ravel()])


def squint(size):
    """Moves of the landmarks. After them, one eye is at the mouth, so they fit no face."""
    return np.array([size * 1j, 0, 0, 0, 0])


def follow(script, align=None, **settings):
    """The face in each frame. `script` returns the row of a detector for the number of the frame.

    `settings` are those of the cropper, and `align` that of the video.
    """

    def detect(image):
        return np.array([script(int(image[0, 0, 0]))])

    frames = (
        TimedFrame(k, k / FRAME_RATE, lambda k=k: np.full((200, 200, 3), k, np.uint8)) for k in range(NUM_FRAMES)
    )
    return [faces[0] for _, faces in FaceCropper(detect, **settings).follow(frames, align)]


@pytest.mark.parametrize(("degrees", "side", "centre"), [(0, 80, 100 + 90j), (-40, 50, 30 + 20j), (120, 300, 5 - 9j)])
def test_rotation_size_and_place_are_recovered(degrees, side, centre):
    expected = np.array([centre.real, centre.imag, centre.real, centre.imag]) + side * np.array([-0.5, -0.5, 0.5, 0.5])
    detected = expected + side * np.array([0.1, -0.1, -0.1, 0])
    (fit,) = fit_landmarks(face(degrees, side, centre, box=detected)[None])
    box, angle = aligned_box(detected, fit)
    assert angle == pytest.approx(degrees)
    assert box == pytest.approx(expected)


UNRELIABLE = {
    "profile": face(move=0.7 * (0.2 - MEAN_LANDMARKS.real)),  # the eyes are nearly in one place
    "a covered eye": face(30, move=squint(0.3)),
    "one point": face(side=0),
    "another size": face(side=200),
    "another place": face(centre=180 + 90j),
    "not a number": np.append(face()[:14], np.nan),
    "infinite": np.append(face()[:14], np.inf),
    "mirrored": face(move=-2j * MEAN_LANDMARKS.imag),
    "no landmarks": face()[:5],
}


@pytest.mark.parametrize("row", UNRELIABLE.values(), ids=UNRELIABLE)
def test_unreliable_landmarks_leave_the_box(row):
    (fit,) = fit_landmarks(row[None])
    box, angle = aligned_box(BOX, fit)
    assert fit.tolist() == [0] * 5
    assert angle == 0 and box.tolist() == BOX.tolist()


def test_less_reliable_landmarks_lead_gradually_to_the_box():
    angles = [
        aligned_box(BOX, fit_landmarks(face(40, move=squint(size))[None])[0])[1] for size in np.arange(0, 0.3, 0.01)
    ]
    assert angles[0] == pytest.approx(40) and angles[-1] == 0
    assert max(abs(np.diff(angles))) < 8


def test_upright_frontal_faces_have_the_crop_of_the_box():
    script = lambda k: face()  # noqa: E731
    aligned, unaligned = follow(script), follow(script, align=False)
    for one, other in zip(aligned, unaligned, strict=True):
        assert one.angle == pytest.approx(0) and one.box == pytest.approx(other.box)


@pytest.mark.parametrize(
    ("of_cropper", "of_video", "expected"), [(True, None, 30), (False, None, 0), (True, False, 0), (False, True, 30)]
)
def test_alignment_can_be_switched_off_for_a_cropper_and_for_a_video(of_cropper, of_video, expected):
    cropper = FaceCropper(lambda image: face(30)[None], align=of_cropper)
    frames = [TimedFrame(0, 0.0, lambda: np.zeros((200, 200, 3), np.uint8))]
    ((_, (found,)),) = cropper.follow(frames, of_video)
    assert found.angle == pytest.approx(expected)


def test_a_rocking_head_is_followed():
    def angle(k):
        return 40 * np.sin(2 * np.pi * k / FRAME_RATE / 4)

    found = [one.angle for one in follow(lambda k: face(angle(k)))]
    inner = slice(5, -5)
    assert found[inner] == pytest.approx([angle(k) for k in range(NUM_FRAMES)][inner], abs=4)


def test_noise_of_landmarks_is_smoothed():
    noise = np.random.default_rng(0).normal(scale=0.02, size=(NUM_FRAMES, 5, 2)) @ [1, 1j]
    raw = [np.angle(fit_landmarks(face(move=move)[None])[0, 2:4] @ [1, 1j], deg=True) for move in noise]
    smooth = [one.angle for one in follow(lambda k: face(move=noise[k]))]
    assert np.std(smooth) < 0.6 * np.std(raw)
    assert max(abs(np.diff(smooth))) < 0.5 * max(abs(np.diff(raw)))


def test_a_short_cover_of_an_eye_changes_nothing_and_a_long_one_leads_smoothly_to_the_box():
    def script(*covered):
        return lambda k: face(30, move=squint(0.3 if k in range(*covered) else 0))

    short = [one.angle for one in follow(script(20, 22))]
    assert short == pytest.approx([30] * NUM_FRAMES)
    long = [one.angle for one in follow(script(20, 40))]
    assert long[30] == 0 and long[:10] == pytest.approx([30] * 10) and long[50:] == pytest.approx([30] * 10)
    assert max(abs(np.diff(long))) < 12


def smooth_picture(degrees=0.0):
    """Waves that are rotated clockwise around the centre of the picture: uint8 (200, 200, 3)."""
    y, x = np.mgrid[:200, :200] + 0.5 - 100
    place = (x + 1j * y) * np.exp(-1j * np.radians(degrees))
    waves = np.stack([np.sin(place.real / 9), np.cos(place.imag / 7), np.sin(abs(place - 20) / 8)], axis=-1)
    return (128 + 100 * waves).round().astype(np.uint8)


@pytest.mark.parametrize("size", [32, 80, 150])
@pytest.mark.parametrize("degrees", [-40, 3, 90, 170])
def test_the_crop_of_a_rotated_picture_is_that_of_the_upright_picture(degrees, size):
    box = np.array([60.0, 60, 140, 140])
    upright = crop_face(smooth_picture(), box, size).astype(int)
    rotated = crop_face(smooth_picture(degrees), box, size, degrees).astype(int)
    assert abs(upright - rotated).mean() < 2 and abs(upright - rotated).max() < 12


def test_edge_pixels_continue_beyond_the_picture():
    assert (crop_face(np.full((60, 80, 3), 200, np.uint8), np.array([0.0, 0, 60, 60]), 48, 45) == 200).all()


def test_rotated_crops_are_antialiased():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = crop_face(stripes, np.array([40.0, 40, 360, 360]), 32, 10)
    assert abs(crop.astype(int) - 100).max() <= 12


def test_a_crop_of_a_face_is_rotated():
    ((_, (found,)),) = FaceCropper(lambda image: face(30, centre=100 + 100j)[None]).follow(
        [TimedFrame(0, 0.0, lambda: smooth_picture(30))]
    )
    expected = Image.fromarray(smooth_picture()).resize((64, 64), Image.Resampling.BILINEAR, box=(48, 48, 152, 152))
    assert abs(found.crop(smooth_picture(30), 64).astype(int) - np.asarray(expected)).mean() < 2
