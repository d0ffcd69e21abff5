"""Errors that name the file and the field if the JSON file of a model has a wrong value."""

import contextlib
import os
import reprlib
from collections.abc import Callable
from typing import Any, TypeVar

from ..messages import first_line


Made = TypeVar("Made")


def made_from_file(
    path: str | os.PathLike, fields: dict, make: Callable[[dict], Any], load: Callable[[], Made]
) -> Made:
    """Call `load`. If it fails, find the field that is at fault.

    Args:
        path: The JSON file.
        fields: Its fields.
        make: Makes the object from fields. It fails as `load` does.
        load: Loads the object.

    Raises:
        OSError: As `load`.
        ValueError: If `load` raises another error. The message names the file, and the field without which the object
            can be made.
    """
    try:
        return load()
    except OSError:
        raise
    except Exception as error:  # Transformers and its validators have many errors for wrong values
        field = _field_at_fault(fields, make)
        found = "" if field is None else f"the field {field} is {reprlib.repr(fields[field])}: "
        reason = first_line(error).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} has a wrong value: {found}{reason}. Correct it, or save the model again.") from error


def _field_at_fault(fields: dict, make: Callable[[dict], Any]) -> str | None:
    for name in fields:
        with contextlib.suppress(Exception):  # another field is at fault, or several
            make({other: value for other, value in fields.items() if other != name})
            return name
    return None
