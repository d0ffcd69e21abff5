"""What a model's card tells of it that its configuration does not."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ...configuration import DATASET_TERMS, DatasetTerms


@dataclass
class ModelFacts:
    """Where a model comes from and what was measured of it. Whatever is not known is left out of the card.

    Attributes:
        base_model: The model it was trained from: a Hub repository, or the path of a directory or file, of which only
            the name is told.
        checkpoint_file: Path of the published checkpoint that it is converted from, of which only the name is told.
        dataset: What it was trained on: a name in `DATASET_TERMS`, or any other.
        fold: Number of the fold, if it is one of a cross-validation.
        figures: Of its evaluation, as `metrics.json` has them.
        selected_by: The metric by which the best of several states was chosen, on the evaluated videos.
        losses: Losses of the training run by what they are of.
        hyperparameters: Of the training run.
    """

    base_model: str | os.PathLike | None = None
    checkpoint_file: str | os.PathLike | None = None
    dataset: str | None = None
    fold: int | None = None
    figures: dict | None = None
    selected_by: str | None = None
    losses: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict = field(default_factory=dict)

    @property
    def base_repository(self) -> str | None:
        """`base_model` if it is a Hub repository."""
        if self.base_model is None or os.path.exists(self.base_model):
            return None
        try:
            validate_repo_id(str(self.base_model))
        except HFValidationError:
            return None
        return str(self.base_model)

    @property
    def base_name(self) -> str | None:
        """How the card calls `base_model`: without the folders in which it lies."""
        if self.base_model is None:
            return None
        return self.base_repository or Path(self.base_model).name or None

    @property
    def dataset_tag(self) -> str | None:
        """The dataset as the Hub's metadata name it."""
        return self.dataset and "-".join(self.dataset.lower().split())

    @property
    def dataset_terms(self) -> DatasetTerms | None:
        """Title and terms of the dataset; of one that is not known, what can be said of any."""
        if self.dataset is None:
            return None
        return DATASET_TERMS.get(self.dataset.lower()) or DatasetTerms(self.dataset, None, "has terms of its own")
