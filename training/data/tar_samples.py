"""Samples of tar files in the format of WebDataset, as other programs write them.

The files of a sample are adjacent. Their names differ in what follows the first dot after the last slash.
"""

import contextlib
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from glob import glob
from itertools import groupby, islice
from pathlib import PurePosixPath

import fsspec
from datasets import Features, IterableDataset, Value

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ...image_processing.decoding.local_videos import is_address
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ...image_processing.decoding.video_sources import is_url
from ...image_processing.decoding.web_files import DownloadLimitError, WebFile


TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

LABEL_SUFFIXES = (".cls", ".label", ".json", ".txt")
"""Suffixes of files that may hold a label. The first one that a sample has counts."""
LABEL_FIELDS = ("label", "cls", "class", "emotion", "expression")
"""Fields of a JSON file that may hold the label. The first one counts."""

MAX_MEMBER_BYTES = 1_000_000_000  # of a video in a tar file, which is read into memory

SAMPLES_LOOKED_AT = 5  # when a stream is opened, to find labels and damage

_VIDEOS = (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX)
_READ = (*_VIDEOS, *IMAGE_SUFFIXES, *LABEL_SUFFIXES)


class StreamError(ValueError):
    """A stream cannot be read or understood. The message says why and what to do."""


def is_tar(source: str) -> bool:
    """Whether a path, pattern or URL names tar files."""
    return source.lower().endswith(TAR_SUFFIXES)


def open_tars(sources: Iterable[str]) -> IterableDataset:
    """Open tar files as a stream, with one shard for each file.

    Args:
        sources: Paths, patterns (`"shards/*.tar"`) or URLs of fsspec.

    Returns:
        Stream with the columns `video` (`bytes` and `path`), `__key__` (the sample), `__url__` (the tar file) and, if
        one of the first samples has a label, `label`, string.

    Raises:
        StreamError: If a pattern matches no file, or the first file holds no video or its beginning is damaged.
    """
    urls = [url for source in sources for url in _matches(source)]
    first = list(islice(iter_samples(urls[:1]), SAMPLES_LOOKED_AT))
    if not first:
        raise StreamError(
            f"The tar file '{urls[0]}' holds no video or image. Name the files KEY.mp4 and KEY.cls, for example."
        )
    with_labels = any(sample["label"] is not None for sample in first)
    text = Value("string")
    features = {"video": {"bytes": Value("binary"), "path": text}, "__key__": text, "__url__": text}
    if with_labels:
        features["label"] = text
    return IterableDataset.from_generator(
        _rows, Features(features), gen_kwargs={"urls": urls, "with_labels": with_labels}
    )


def _matches(source: str) -> list[str]:
    """The tar files that a pattern matches, sorted."""
    if not is_address(source):
        urls = sorted(glob(source))
    elif "*" in source:
        urls = [file.full_name for file in fsspec.open_files(source, "rb")]
    else:
        urls = [source]
    if not urls:
        raise StreamError(f"There is no tar shard '{source}'. Check the path or pattern.")
    return urls


def _rows(urls: list[str], with_labels: bool) -> Iterator[dict]:
    for sample in iter_samples(urls):
        yield sample if with_labels else {name: value for name, value in sample.items() if name != "label"}


def iter_samples(urls: Iterable[str]) -> Iterator[dict]:
    """The samples of tar files that hold a video or image: `video`, `label` (str or None), `__key__` and `__url__`.

    Several videos may have the same key because of dots in their names, such as `s1.e2.mp4` and `s1.e3.mp4`. Then the
    key of each is its name without the suffix.

    Raises:
        StreamError: If a tar file is missing or damaged, a sample has two videos, or its label cannot be read.
    """
    for url in urls:
        waiting, key, is_part = {}, None, False
        for (next_key, _), found in groupby(_files_in(url), key=lambda file: (_key(file[0]), _stem(file[0]))):
            files, is_same = dict(found), next_key == key
            both_are_clips = _kind(waiting) == _kind(files) > 0
            if is_same and not both_are_clips:
                waiting |= files
                continue
            yield from _sample(waiting, key, is_part or is_same, url)
            waiting, key, is_part = files, next_key, is_same
        yield from _sample(waiting, key, is_part, url)


class _Entry(tarfile.TarInfo):
    """Reports a damaged or cut header. `tarfile` itself takes it for the end of the file."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Entry":
        """The next entry."""
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            raise tarfile.ReadError(str(error)) from error


def _files_in(url: str) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the videos, images and labels in a tar file, without hidden files.

    Raises:
        StreamError: If the tar file is missing or damaged, or `_check_member` refuses a file.
    """
    try:
        with (
            damage_as_stream_error(url),
            WebFile(url) if is_url(url) else fsspec.open(url, "rb") as file,
            tarfile.open(fileobj=file, mode="r|*", tarinfo=_Entry) as tar,
        ):
            for entry in tar:
                name = entry.name.removeprefix("./")
                is_wanted = _suffix(name) in _READ and not PurePosixPath(name).name.startswith(".")
                if is_wanted and not entry.isdir():
                    _check_member(entry, name, url)
                    yield name, tar.extractfile(entry).read()
                tar.members = []  # otherwise a large tar file fills the memory with its entries
    except FileNotFoundError as error:
        raise StreamError(f"There is no tar shard '{url}'. Check the path.") from error


def _check_member(entry: tarfile.TarInfo, name: str, url: str):
    """
    Raises:
        StreamError: If a member is a link or a device, is too large, or has a name outside the tar file.
    """
    if not entry.isfile():
        problem = "is a link or a device, and only files are read. Pack the file itself (`tar --hard-dereference -h`)"
    elif entry.size > MAX_MEMBER_BYTES:
        problem = f"has {entry.size} bytes, and at most {MAX_MEMBER_BYTES} are allowed. Pack shorter videos"
    elif name.startswith("/") or ".." in PurePosixPath(name).parts:
        problem = "has an absolute path or '..' in its name. Pack it with a path inside the tar file"
    else:
        return
    raise StreamError(f"'{name}' in the tar file '{url}' {problem}.")


@contextlib.contextmanager
def damage_as_stream_error(url: str | None = None) -> Iterator[None]:
    """Turn the errors of damaged tar files in a `with` block into a `StreamError`."""
    try:
        yield
    except DownloadLimitError as error:
        raise StreamError(f"A tar shard of the stream cannot be read: {error}.") from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        shard = "" if url is None else f": '{url}'"
        raise StreamError(
            f"A tar shard of the stream is damaged{shard} ({error}). Find it with `tar -tf` and copy it again."
        ) from error


def _key(name: str) -> str:
    """WebDataset's key of a file: its name up to the first dot after the last slash."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _stem(name: str) -> str:
    return name[: -len(_suffix(name))]


def _kind(files: Iterable[str]) -> int:
    """2 for files with a video, 1 for files with an image, 0 for others."""
    suffixes = {_suffix(name) for name in files}
    return 2 if not suffixes.isdisjoint(_VIDEOS) else int(not suffixes.isdisjoint(IMAGE_SUFFIXES))


def _sample(files: dict[str, bytes], key: str | None, is_part: bool, url: str) -> Iterator[dict]:
    """The sample of a key, if it has a video or image. An image beside a video is a thumbnail.

    Args:
        is_part: Whether the key has several samples.
    """
    media = [name for name in files if _kind([name]) == _kind(files) > 0]
    if len(media) > 1:
        raise StreamError(
            f"The sample '{url}/{key}' has several videos: '{media[0]}' and '{media[1]}'. Leave one video in each."
        )
    for name in media:
        sample_key = _stem(name) if is_part else key
        yield {
            "video": {"bytes": files[name], "path": f"{sample_key}{_suffix(name)}"},
            "label": _label(files, f"'{url}/{sample_key}'"),
            "__key__": sample_key,
            "__url__": url,
        }


def _label(files: dict[str, bytes], place: str) -> str | None:
    """The label of a sample; None if it has none."""
    for suffix in LABEL_SUFFIXES:
        found = [content for name, content in files.items() if _suffix(name) == suffix]
        if len(set(found)) > 1:
            raise StreamError(f"The sample {place} has {len(found)} {suffix} files. Leave one.")
        try:
            label = _label_in(found[0].decode("utf-8-sig", "replace").strip(), suffix) if found else None
        except ValueError as error:
            raise StreamError(f"The {suffix} file of the sample {place} cannot be read: {error}.") from error
        if label is not None:
            return label
    return None


def _label_in(text: str, suffix: str) -> str | None:
    if suffix != ".json":
        return text
    content = json.loads(text)
    if isinstance(content, dict):
        content = next((content[field] for field in LABEL_FIELDS if field in content), None)
    return None if content is None else str(content)
