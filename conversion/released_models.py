"""The models that the authors of MAE-DFER released, by name. `released_models.json` has their links and figures."""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from huggingface_hub import constants


class ReleasedModel(NamedTuple):
    """
    Attributes:
        name (`str`): Such as `"mae-dfer-dfew-fold5"`.
        family (`str`): `"lgi_former"` or `"videomae"`.
        corpus (`str`): The data set of the last training stage, a key of `DATASET_TERMS`.
        drive_id (`str`): Identifier of the `.pth` file on Google Drive.
        fold (`int`, *optional*): The test fold of a fine-tuned model, from 1.
        uar, war (`float`, *optional*): The authors' figures on the test fold, in per cent. Pre-trained: none.
        notes (`str`): What else is known, in sentences.
    """

    name: str
    family: str
    corpus: str
    drive_id: str
    fold: int | None = None
    uar: float | None = None
    war: float | None = None
    notes: str = ""

    @property
    def kind(self) -> str:
        """`"fine-tuned"` or `"pre-trained"`."""
        return "pre-trained" if self.uar is None else "fine-tuned"

    @property
    def reported(self) -> dict[str, float]:
        """The authors' figures in per cent, by name."""
        figures = {"uar": self.uar, "war": self.war}
        return {name: value for name, value in figures.items() if value is not None}

    @property
    def folder(self) -> Path:
        """The folder of the downloaded model, in the cache below `HF_HOME`. It gets its name when it is complete."""
        return Path(constants.HF_HOME) / "lgi_former" / self.name

    @property
    def link(self) -> str:
        """Address of the page on Google Drive where a browser can download the file."""
        return f"https://drive.google.com/file/d/{self.drive_id}/view"


@functools.cache
def released_models() -> Mapping[str, ReleasedModel]:
    """All released models by name, in the order of the list."""
    listed = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))["models"]
    return MappingProxyType({fields["name"]: ReleasedModel(**fields) for fields in listed})


def likely_release(family: str, kind: str, arguments: Mapping) -> ReleasedModel | None:
    """Find the released model whose training options a checkpoint has. The weights are not compared.

    Args:
        family: `"lgi_former"` or `"videomae"`.
        kind: `"pretraining"` or `"classification"`.
        arguments: Arguments of the published script in the checkpoint.
    """
    path = str(arguments.get("data_path", ""))
    corpus = "voxceleb2" if kind == "pretraining" else str(arguments.get("data_set", "")).lower()
    if corpus not in path.lower():
        return None
    fold = re.search(r"split0?(\d)", path)
    for model in released_models().values():
        if (model.family, model.corpus) == (family, corpus) and (
            model.fold is None or (fold is not None and int(fold[1]) == model.fold)
        ):
            return model
    return None
