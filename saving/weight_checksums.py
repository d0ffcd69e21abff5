"""Checksums of weights, inside of the safetensors file that holds them.

A checksum in another file would be wrong after `save_pretrained` of Transformers writes new weights. That function
writes a file without these checksums, so none is ever out of date. Files without checksums are not checked.
"""

import contextlib
import json
import mmap
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from ..files import whole_file


KEY = "crc32"
"""The entry of the metadata: a JSON object with the CRC-32 of each tensor by name, as 8 hexadecimal digits."""

_METADATA = "__metadata__"
_WEIGHTS = ("model*.safetensors", "adapter_model.safetensors")


@contextlib.contextmanager
def checksums_added(folder: str | os.PathLike) -> Iterator[None]:
    """Add checksums to the weights that a `with` block saves into a folder. Files from before do not change.

    Transformers cannot be given metadata, so each new file is written a second time.
    """
    before = _versions(folder)
    yield
    for path, version in _versions(folder).items():
        if before.get(path) != version:
            _add_checksums(path)


def _versions(folder: str | os.PathLike) -> dict[Path, tuple[int, int]]:
    """What changes when a file of weights is saved again, by file."""
    status = {path: path.stat() for pattern in _WEIGHTS for path in Path(folder).glob(pattern)}
    return {path: (found.st_ino, found.st_mtime_ns) for path, found in status.items()}


def _add_checksums(path: Path):
    """Write the checksums of all tensors into a safetensors file that has none. The file is replaced atomically."""
    with path.open("rb") as file:
        header = _read_header(file)
        metadata = header.get(_METADATA, {})
        if KEY in metadata:  # a `save_pretrained` within this one has added them
            return
        data_start = file.tell()
        metadata[KEY] = json.dumps(_checksums(file, header, data_start))
        encoded = json.dumps({**header, _METADATA: metadata}, separators=(",", ":")).encode()
        encoded += b" " * (-len(encoded) % 8)  # as safetensors aligns the data
        with whole_file(path) as unfinished, unfinished.open("wb") as written:
            written.write(len(encoded).to_bytes(8, "little") + encoded)
            file.seek(data_start)
            shutil.copyfileobj(file, written, 1 << 20)


def damaged_weights(path: str | os.PathLike) -> list[str]:
    """The tensors of a safetensors file whose name, dtype, shape or numbers differ from the saved checksums, sorted.

    The file must have a valid header. Without checksums, the list is empty.
    """
    with Path(path).open("rb") as file:
        header = _read_header(file)
        stored = header.get(_METADATA, {}).get(KEY)
        if stored is None:
            return []
        try:
            expected = dict(json.loads(stored))
        except (ValueError, TypeError):  # the checksums themselves are damaged
            expected = {}
        found = _checksums(file, header, file.tell())
    names = found.keys() | expected.keys()
    return sorted(name for name in names if found.get(name) != expected.get(name))


def _read_header(file: BinaryIO) -> dict:
    return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def _checksums(file: BinaryIO, header: dict, data_start: int) -> dict[str, str]:
    tensors = {name: entry for name, entry in header.items() if name != _METADATA}
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:

        def checksum(name: str) -> str:
            entry = tensors[name]
            start, end = (data_start + offset for offset in entry["data_offsets"])
            described = zlib.crc32(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
            with content[start:end] as numbers:
                return f"{zlib.crc32(numbers, described):08x}"

        with ThreadPoolExecutor(4) as pool:  # zlib releases the lock of the interpreter
            return dict(zip(tensors, pool.map(checksum, tensors), strict=True))
