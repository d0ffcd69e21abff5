"""Settings that are stored with complete results, so that a later run can continue them."""

import contextlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


KEY = b"lgi_former"
"""Key of the settings in the metadata of a Parquet file."""


def metadata_of(settings: dict) -> dict[bytes, bytes]:
    """Metadata of a Parquet file with settings, which JSON can store."""
    return {KEY: json.dumps(settings).encode()}


def settings_beside(path: Path) -> Path:
    """The file with the settings of a file that has no metadata: `faces.settings.json` for `faces.npy`."""
    return path.with_suffix(".settings.json")


def read_settings(path: Path) -> dict:
    """The settings of a Parquet file, or those beside another file.

    Raises:
        ValueError: If another program wrote the file, or it is damaged or missing.
    """
    with contextlib.suppress(OSError, pa.ArrowException, ValueError, TypeError):
        is_parquet = path.suffix == ".parquet"
        content = (pq.read_schema(path).metadata or {})[KEY] if is_parquet else settings_beside(path).read_bytes()
        return json.loads(content)
    raise ValueError(
        f"'{path}' is missing, or this command did not write it. Choose another --output, or pass --overwrite."
    )
