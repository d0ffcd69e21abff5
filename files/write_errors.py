"""Turns failures to write into one sentence that names the file or folder. Imports only the standard library."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path


FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_PERMISSION = (errno.EACCES, errno.EPERM)
CODES = (*FULL_DISK, errno.EROFS, *NO_PERMISSION)

_CODE_OF_RUST = re.compile(r"\(os error (\d+)\)")  # safetensors has no attribute for it
_INCOMPLETE_FILE_OF_PYTORCH = re.compile("PytorchStreamWriter|PyTorchFileWriter|unexpected pos|iostream error")


class NotWrittenError(OSError):
    """A file or folder cannot be written. The message is a sentence for users."""


@contextlib.contextmanager
def explained_write_errors(path: str | os.PathLike) -> Iterator[None]:
    """Name a file or folder in failures to write that a `with` block raises. Libraries raise errors of many types.

    Other errors do not change. Errors that name a file outside of the folder do not change either.

    Raises:
        NotWrittenError: If the disk is full or read-only, a file is too large, or a permission is missing.
    """
    try:
        yield
    except (NotWrittenError, ValueError):  # their messages are sentences already
        raise
    except Exception as error:
        code = _code_in_chain(error, Path(path))
        if code is None:
            raise
        reason = os.strerror(code) if code else "PyTorch could not write a whole file. The disk may be full"
        advice = "Free some space" if code in (0, *FULL_DISK) else "Change its permissions"
        raise NotWrittenError(
            f"'{path}' cannot be written: {reason}. Other files that were complete before have not changed. "
            f"{advice}, or choose another place, then run the command again."
        ) from error


def _code_in_chain(error: BaseException | None, place: Path) -> int | None:
    """The code of the failure to write among an error and its causes, 0 if it is not known. None for other errors."""
    found = None
    while error is not None:
        code = _code_of(error, place)
        if code:
            return code
        found = code if found is None else found
        error = error.__cause__ or error.__context__
    return found


def _code_of(error: BaseException, place: Path) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        names = [name for name in (error.filename, error.filename2) if name is not None]  # a copy has two
        if not names:
            return error.errno if error.errno in CODES and error.errno not in NO_PERMISSION else None
        return error.errno if error.errno in CODES and any(_is_at(name, place) for name in names) else None
    text = str(error)
    if found := _CODE_OF_RUST.search(text):
        return int(found[1]) if int(found[1]) in CODES else None
    if code := next((code for code in (*FULL_DISK, errno.EROFS) if os.strerror(code) in text), None):
        return code
    return 0 if isinstance(error, RuntimeError) and _INCOMPLETE_FILE_OF_PYTORCH.search(text) else None


def _is_at(name: str | bytes | int, place: Path) -> bool:
    """Whether a file is the place, lies in it, has a temporary name for it, or is a folder around it."""
    if isinstance(name, int):
        return False
    path, place = (Path(os.path.abspath(os.fsdecode(one))) for one in (name, place))
    is_temporary = path.parent == place.parent and path.name.startswith(f".{place.stem}.")
    return path.is_relative_to(place) or place.is_relative_to(path) or is_temporary
