"""The journal of a run over a list, with what earlier runs finished."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..files import Journal, check_settings, only_writer_of, whole_file
from ..inference.stored_settings import read_settings
from ..messages import note


SECONDS_FOR_LOCK = 10.0


def journal_path(output: Path) -> Path:
    """The journal of a run that writes to `output`."""
    return output.with_name(f"{output.name}.journal")


def may_continue(output: Path) -> bool:
    """Whether an earlier run of the command left something to continue. Its settings are not checked."""
    if journal_path(output).exists():
        return True
    with contextlib.suppress(ValueError):
        return output.exists() and bool(read_settings(output))
    return False


@contextlib.contextmanager
def open_journal(
    files: Sequence[Path], settings: dict, earlier: Callable[[], Iterable[tuple[str, Any]]] | None, overwrite: bool
) -> Iterator[Journal]:
    """The journal of finished videos, in a `with` block that computes the others and writes `files`.

    It has the videos that an earlier run finished, unless `overwrite` is true. It is deleted after the block if the
    files are enough to continue. No other run may write the files at the same time.

    Args:
        files: The files of the complete output. The journal is named after the first one.
        settings: What the results depend on.
        earlier: Reads the finished videos, as keys and items, from the files. None if this is impossible.

    Raises:
        ValueError: If an earlier run had other settings, another program wrote the files, or another run writes them.
    """
    output, path = files[0], journal_path(files[0])
    with only_writer_of(output, SECONDS_FOR_LOCK):
        if overwrite:
            path.unlink(missing_ok=True)
        elif earlier is not None and output.exists() and not path.exists():
            for file in files:
                check_settings(file, read_settings(file), settings)
            _write_journal(path, settings, earlier())
        journal = Journal(path, settings)
        if journal.num_damaged:
            note(f"'{path}' has {journal.num_damaged} damaged lines. Their videos are computed again.")
        try:
            yield journal
        except (KeyboardInterrupt, OSError, RuntimeError):
            note(f"The finished videos are in '{path}'. The same command continues.")
            raise
        finally:
            journal.close()
        if earlier is not None:
            path.unlink()


def _write_journal(path: Path, settings: dict, items: Iterable[tuple[str, Any]]):
    with whole_file(path) as new:
        new.unlink(missing_ok=True)
        with contextlib.closing(Journal(new, settings)) as journal:
            for key, item in items:
                if key not in journal:
                    journal.append(key, item)


def first_rows(keys: Sequence[str]) -> list[int]:
    """The position of each key where it comes first."""
    first = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    return list(first.values())


def unfinished_rows(keys: Sequence[str], journal: Journal) -> list[int]:
    """As `first_rows`, without the keys that the journal has. A note says how many these are."""
    rows = first_rows(keys)
    todo = [row for row in rows if keys[row] not in journal]
    if len(todo) < len(rows):
        note(f"{len(rows) - len(todo)} of {len(rows)} videos are finished already.")
    return todo
