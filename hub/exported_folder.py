"""The folder of an exported model, as `lgi-former export` writes it, and its description `export.json`."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from ..version import __version__


DESCRIPTION = "export.json"
PREPROCESSING = "preprocessing.json"
PROCESSOR = "video_preprocessor_config.json"
PROGRAMS = {"onnx": "model.onnx", "openvino": "openvino_model.xml", "torch": "model.pt2"}
"""The program of each format."""


class ExportDescription(NamedTuple):
    """
    Attributes:
        format (`str`): A key of `PROGRAMS`.
        inputs, outputs (`dict[str, tuple]`): Shapes by name, in the order of the program. None is any size.
        batch_size (`int`, *optional*): The only number of clips that the program takes. None means any number.
        sha256 (`dict[str, str]`): Checksums of the processor and of the files of the program, by name.
    """

    format: str
    inputs: dict[str, tuple]
    outputs: dict[str, tuple]
    batch_size: int | None
    sha256: dict[str, str]


def is_exported(model_name_or_path: str | os.PathLike) -> bool:
    """Whether a name is the folder of an exported model."""
    return os.path.isfile(os.path.join(model_name_or_path, DESCRIPTION))


def check_not_exported(model_name_or_path: str | os.PathLike):
    """
    Raises:
        ValueError: If a name is the folder of an exported model, which has no weights.
    """
    if is_exported(model_name_or_path):
        raise ValueError(
            f"{model_name_or_path} is an exported model: `predict`, `embed`, `evaluate`, `demo` and "
            "`lgi_former.ExportedModel` run it, but it has no weights. Give the model that it was exported from."
        )


def read_description(folder: str | os.PathLike) -> ExportDescription:
    """Read `export.json`.

    Raises:
        FileNotFoundError: If the folder or the file is missing.
        ValueError: If the file is damaged, or a newer version of this package wrote it.
    """
    path = Path(folder, DESCRIPTION)
    if not path.is_file():
        problem = f"it has no {DESCRIPTION}" if path.parent.is_dir() else "there is nothing at this path"
        raise FileNotFoundError(
            f"'{folder}' is not an exported model: {problem}. `lgi-former export MODEL OUT` writes such a folder."
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        version = Version(fields["lgi_former_version"])
        batch_size = None if fields["dynamic_batch"] else int(fields["batch_size"])
        inputs, outputs = (
            {entry["name"]: tuple(entry["shape"]) for entry in fields[part]} for part in ("inputs", "outputs")
        )
        description = ExportDescription(str(fields["format"]), inputs, outputs, batch_size, dict(fields["sha256"]))
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}). Export the model again.") from error
    if version > Version(__version__):
        raise ValueError(
            f"{path} is of lgi-former {version}, but this is lgi-former {__version__}. Install a newer version, or "
            "export the model again with this one."
        )
    if description.format not in PROGRAMS:
        raise ValueError(
            f"{path} has the unknown format '{description.format}'. The formats are {', '.join(PROGRAMS)}. Export the "
            "model again."
        )
    return description


def checksums(folder: str | os.PathLike, program_format: str) -> dict[str, str]:
    """SHA-256 of the program in a folder, of the files of its weights and of the processor, by name."""
    program = sorted(Path(folder).glob(f"{Path(PROGRAMS[program_format]).stem}.*"))
    return {path.name: _sha256(path) for path in (*program, Path(folder, PROCESSOR)) if path.is_file()}


def check_files(folder: str | os.PathLike, description: ExportDescription):
    """Check the program and the processor against `export.json`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is not the one that was exported, or `export.json` has no checksum of it.
    """
    found = checksums(folder, description.format)
    for name in (PROGRAMS[description.format], PROCESSOR, *description.sha256):
        if name not in found:
            raise FileNotFoundError(f"The exported model '{folder}' has no {name}. Copy or export it again.")
        if name not in description.sha256:
            raise ValueError(f"'{Path(folder, DESCRIPTION)}' has no checksum of {name}. Export the model again.")
        if found[name] != description.sha256[name]:
            raise ValueError(
                f"'{Path(folder, name)}' was changed, is damaged or of another model: its checksum is not that in "
                f"{DESCRIPTION}. Copy or export the model again."
            )


def _sha256(path: Path) -> str:
    from huggingface_hub.utils.sha import sha_fileobj  # slow to import, which would delay `--help`

    with path.open("rb") as file:
        return sha_fileobj(file).hex()
