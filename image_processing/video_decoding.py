"""Reading the frames of a video that are needed: from a video file, a folder or archive of frames, an image or a URL.

Readers are opened when a video is read and never kept: they do not survive a fork, so a data loader's worker process
has to open its own.
"""

import contextlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import numpy as np
from huggingface_hub import get_session
from transformers.utils import is_av_available, is_decord_available, is_torchcodec_available, logging
from transformers.video_utils import VIDEO_DECODERS, VideoMetadata

from .image_decoding import decode_image
from .pyav_decoding import read_by_packets, read_with_pyav


logger = logging.get_logger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv", ".avi"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".ogv"),
)
"""By which video files are told from others in folders. A file that is named may have any suffix."""

FRAME_ARCHIVE_SUFFIX = ".zip"
"""Of a folder of frames that is packed into one file."""

# Containers in which decord mostly finds the frame it was asked for. In others (AVI with B-frames, MPEG-PS and -TS,
# WMV) it silently returns another, up to dozens of frames off (measured: decord 0.6.0). So it does in any container
# where groups of pictures are open (those of MPEG-2 and -4 with B-frames are), times repeat or an edit list cuts.
DECORD_SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv")

DOWNLOAD_TIMEOUT = 30  # seconds without a byte from the server


class VideoReadError(ValueError):
    """A video could not be read. The message says which one, what is wrong with it and what to do."""

    def __init__(self, message: str):
        super().__init__(without_passwords(message))


def without_passwords(message: str) -> str:
    """A message in which addresses (`ftp://user:password@host`) do not tell how to get in."""
    return re.sub(r"://[^\s/:@]*:[^\s/@]*@", "://", message)


def read_video(
    source: str | os.PathLike, sample_indices_fn: Callable[[VideoMetadata], np.ndarray]
) -> tuple[np.ndarray, VideoMetadata]:
    """Read the frames of a video that `sample_indices_fn` asks for, each distinct one once.

    Args:
        source: A video file, a folder of frames (`*.jpg`, `*.jpeg`, `*.png`, sorted by name), a zip archive of them, a
            single image of one of these types, or an http(s) URL of a file, which is downloaded first.
        sample_indices_fn: Called as `sample_indices_fn(metadata=...)` with what is known before decoding (frames per
            second only for video files). Returns frame indices from 0 to `metadata.total_num_frames - 1` in an
            array of any shape and order; they may repeat.

    Returns:
        Frames, uint8 RGB (*shape of the indices, height, width, 3), and the metadata, completed by
        `frames_indices`, `height` and `width`.

    Raises:
        VideoReadError: If there is no such file or folder, it is empty or damaged, no decoder can read it, the
            frames of a folder or archive differ in size, or a URL cannot be downloaded.
    """
    source = os.fspath(source)
    try:
        if is_url(source):
            frames, metadata = _read_url(source, sample_indices_fn)
        else:
            frames, metadata = _read_path(Path(source), sample_indices_fn)
    except OSError as error:
        raise VideoReadError(f"{source!r} cannot be read: {error}. Check that it exists and is readable.") from error
    for note in getattr(metadata, "notes", []):
        warn_of(source, note)
    return frames, metadata


def warn_of(video: str, note: str) -> str:
    """Log a warning about a video, once per process.

    Args:
        video: The video, as it was given.
        note: What is to be said of it: the predicate of a sentence.

    Returns:
        The sentence.
    """
    sentence = f"'{without_passwords(video)}' {note}"
    logger.warning_once(sentence)
    return sentence


def is_url(source: str) -> bool:
    """Whether a video is to be downloaded."""
    return source.startswith(("http://", "https://"))


def _read_url(url: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    with download(url) as path:
        return _read_path(path, sample_indices_fn)


@contextlib.contextmanager
def download(url: str) -> Iterator[Path]:
    """A file with what is at `url`, within a `with` block; messages of `VideoReadError` in it name the address.

    Raises:
        VideoReadError: If it cannot be downloaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video").with_suffix(PurePosixPath(urlparse(url).path).suffix)
        try:
            _download_to(path, url)
        except Exception as error:  # which class depends on the HTTP library of the installed huggingface_hub
            raise VideoReadError(f"{url!r} cannot be downloaded: {error}. Check the address.") from error
        try:
            yield path
        except VideoReadError as error:
            raise VideoReadError(str(error).replace(str(path), url)) from error


def _download_to(path: Path, url: str):
    # huggingface_hub's client knows proxies and certificates of the user's set-up and honours HF_HUB_OFFLINE.
    with (
        get_session().stream("GET", url, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT) as response,
        path.open("wb") as file,
    ):
        if response.is_error:
            raise VideoReadError(f"the server answers {response.status_code} {response.reason_phrase}")
        for chunk in response.iter_bytes():
            file.write(chunk)


def _read_path(path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    check_file(path)
    if consists_of_images(path):
        return _read_images(path, sample_indices_fn)
    return _read_video_file(path, sample_indices_fn)


def check_file(path: Path):
    """Raise a `VideoReadError` if there is no such file or folder, or a file is empty."""
    if not path.exists():
        raise VideoReadError(f"There is no file or folder '{path}'. Check the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise VideoReadError(f"'{path}' is empty (0 bytes). Copy or download it again.")


def consists_of_images(path: Path) -> bool:
    """Whether a video is a folder or archive of frames or a single image, as opposed to a video file."""
    return path.is_dir() or path.suffix.lower() in (*IMAGE_SUFFIXES, FRAME_ARCHIVE_SUFFIX)


def frame_files(path: Path) -> list[Path | zipfile.Path]:
    """The frames of a folder or archive, in the order of their names; of a single image itself.

    Raises:
        VideoReadError: If a folder or archive holds none, or an archive is damaged.
    """
    folder, names = _frame_names(path)
    return [folder / name for name in names]


def holds_frames(folder: str | os.PathLike) -> bool:
    """Whether a folder is one of frames. Looks no further than to the first of them."""
    with os.scandir(folder) as entries:
        return any(_is_frame(entry.name) for entry in entries)


def _is_frame(name: str) -> bool:
    # Names with a leading dot are what macOS leaves beside copied files ("._0001.jpg"); they are no images.
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _frame_names(path: Path) -> tuple[Path | zipfile.Path, list[str]]:
    """The folder or archive that frames are in, and their names, sorted."""
    if path.is_dir():
        folder, names = path, os.listdir(path)
    elif path.suffix.lower() == FRAME_ARCHIVE_SUFFIX:
        folder, names = _open_archive(path)
    else:
        return path.parent, [path.name]
    names = sorted(filter(_is_frame, names))
    if not names:
        raise VideoReadError(
            f"The folder '{path}' holds no frames ({', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}). "
            "Give a folder that holds the frames of one video."
        )
    return folder, names


def _open_archive(path: Path) -> tuple[zipfile.Path, list[str]]:
    try:
        folder = zipfile.Path(path)
        return folder, [file.name for file in folder.iterdir()]
    except zipfile.BadZipFile as error:
        raise VideoReadError(
            f"'{path}' cannot be read as a zip archive of frames: {error}. Copy or download it again."
        ) from error


def _read_images(path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    # Names, because making and sorting paths of all frames, most of which are not sampled, takes its time.
    folder, names = _frame_names(path)
    metadata = VideoMetadata(total_num_frames=len(names), video_backend="pillow")
    indices = np.asarray(sample_indices_fn(metadata=metadata))
    distinct, positions = _distinct(indices)
    files = [folder / names[index] for index in distinct]
    images = [read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise VideoReadError(
                f"The frames '{files[0]}' and '{file}' differ in size: {_size(images[0])} and {_size(image)} "
                "pixels. All frames of a video must have the same size."
            )
    metadata.update({"frames_indices": indices, "height": images[0].shape[0], "width": images[0].shape[1]})
    frames = np.stack([images[position] for position in positions.flat])
    return frames.reshape(*indices.shape, *images[0].shape), metadata


def read_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels of an image file, uint8 RGB (height, width, 3).

    Raises:
        VideoReadError: If it is damaged or not an image.
    """
    try:
        return decode_image(file)
    except Exception as error:  # Pillow raises OSError, SyntaxError and more, depending on where a file is damaged
        raise VideoReadError(
            f"'{file}' cannot be decoded as an image: it is damaged or not an image. Replace or remove it."
        ) from error


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"


def _distinct(indices: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The distinct indices in ascending order, and where in that list each of `indices` is, in their shape."""
    distinct, positions = np.unique(indices, return_inverse=True)
    return distinct.tolist(), positions.reshape(indices.shape)


def _read_video_file(path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    tried = []
    for name, decoder in _decoders(path):
        tried.append(name)
        try:
            return _decode(decoder, path, sample_indices_fn)
        except Exception as error:  # every decoder has its own exceptions; the next may be able to read the file
            # Not the exception itself: its traceback keeps a reader alive, and a process forked meanwhile crashes when
            # it collects that.
            reason = str(error)
    raise VideoReadError(
        f"'{path}' cannot be decoded as a video by {', '.join(dict.fromkeys(tried))} ({reason}): it is damaged, "
        "incomplete or not a video. Check that it plays, else copy, download or encode it again."
    )


def _decoders(path: Path) -> Iterator[tuple[str, Callable]]:
    """The decoders that fit a file. Those that find frames by rules of their own serve only where PyAV is missing."""
    if not is_av_available():  # as it may be where a model's own code is loaded without this package
        if path.suffix.lower() in DECORD_SUFFIXES and is_decord_available():
            yield "decord", VIDEO_DECODERS["decord"]
        if is_torchcodec_available():
            yield "torchcodec", _read_with_torchcodec
    yield "PyAV", read_by_packets
    yield "PyAV", read_with_pyav


def _decode(decoder: Callable, path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Call a decoder in the manner of `transformers.video_utils`, asking for every frame once."""
    indices = positions = None

    def distinct_indices(metadata: VideoMetadata, **kwargs) -> list[int]:
        nonlocal indices, positions
        indices = np.asarray(sample_indices_fn(metadata=metadata))
        distinct, positions = _distinct(indices)
        return distinct

    frames, metadata = decoder(str(path), distinct_indices)
    metadata.update({"frames_indices": indices, "height": frames.shape[1], "width": frames.shape[2]})
    return frames[positions], metadata


def _read_with_torchcodec(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    frames, metadata = VIDEO_DECODERS["torchcodec"](path, sample_indices_fn)
    return frames.permute(0, 2, 3, 1).numpy(), metadata
