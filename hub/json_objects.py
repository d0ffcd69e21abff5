"""JSON files of models, which hold an object."""

import json
import os
import textwrap
from pathlib import Path


def read_object(path: str | os.PathLike) -> dict:
    """Read a JSON file of a model.

    Raises:
        ValueError: If it is not JSON, or holds another value than an object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: it is not JSON ({error}). Save or copy the model again.") from error
    if not isinstance(content, dict):
        shown = textwrap.shorten(json.dumps(content), 40, placeholder="...")
        raise ValueError(
            f"{path} cannot be read: it holds {shown} instead of a JSON object. Save or copy the model again."
        )
    return content
