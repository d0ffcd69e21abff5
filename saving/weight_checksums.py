"""Checksums of weights, inside of the safetensors file that holds them.

A checksum in another file would be wrong after `save_pretrained` of Transformers writes new weights. That function
writes a file without these checksums, so none is ever out of date. Files without checksums are not checked.
"""

import contextlib
import functools
import json
import mmap
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO


KEY = "crc32"
"""The entry of the metadata: a JSON object with the CRC-32 of each tensor by name, as 8 hexadecimal digits."""

_METADATA = "__metadata__"


_REPLACING = threading.RLock()


@contextlib.contextmanager
def written_checksums() -> Iterator[None]:
    """Let `save_pretrained` of Transformers write checksums into safetensors files, in a `with` block.

    Transformers cannot be given metadata, and a second pass over the files would write everything twice.
    """
    from transformers import modeling_utils

    with _REPLACING:
        original: Any = getattr(modeling_utils, "safe_save_file", None)  # a later version may save without checksums
        modeling_utils.safe_save_file = functools.partial(_save_with_checksums, original)
        try:
            yield
        finally:
            modeling_utils.safe_save_file = original


def _save_with_checksums(save_file: Callable, tensors: dict, path: str | os.PathLike, metadata: dict | None = None):
    """Save tensors with zeros as checksums, then replace the zeros."""
    if KEY in (metadata or {}):  # written by a block around this one
        save_file(tensors, path, metadata=metadata)
        return
    zeros = json.dumps(dict.fromkeys(tensors, "0" * 8))
    save_file(tensors, path, metadata={**(metadata or {}), KEY: zeros})
    with Path(path).open("r+b") as file:
        header = _read_header(file)
        data_start = file.tell()
        checksums = json.dumps(_checksums(file, header, data_start))
        file.seek(8)
        encoded = file.read(data_start - 8).replace(json.dumps(zeros).encode(), json.dumps(checksums).encode())
        file.seek(8)
        file.write(encoded)


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
