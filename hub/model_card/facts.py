"""Facts about a model for its card that are not in its configuration."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ...configuration import DATASET_TERMS, DatasetTerms


def tag_of(name: str | None) -> str | None:
    """A name as a tag of the Hub."""
    return name and "-".join(name.lower().split())


@dataclass
class ModelFacts:
    """Origin and results of a model. The card omits unknown facts.

    Attributes:
        base_model: The model that training started from: a Hub repository, or a path. The card shows only the name.
        base_revision: The commit of `base_model`, if that is a Hub repository.
        adapter: PEFT's name of the kind of adapter, such as `"LORA"`, if the model is an adapter of `base_model`.
        checkpoint_file: Path of the published checkpoint that was converted. The card shows only the name.
        checkpoint_link: Address of that checkpoint.
        checkpoint_sha256: SHA-256 of that checkpoint, in hexadecimal digits.
        reported: Figures in per cent that the authors of the checkpoint report, by name: `"uar"` and `"war"`.
        dataset: The training data: a name in `DATASET_TERMS`, or any other name.
        evaluated_on: A name for the evaluated videos, for the metadata of the Hub if there is no `dataset`.
        fold: Number of the fold in a cross-validation.
        figures: Results of the evaluation, as in `metrics.json`.
        metrics: Results of `compute_metrics` in the training run, by name. The card omits them if there are
            `figures`.
        metrics_step: The step of the weights that have these results.
        selected_by: The metric that selected the best checkpoint, on the evaluated videos.
        losses: Losses of the training run, by the name of the data.
        hyperparameters: Hyper-parameters of the training run.
    """

    base_model: str | os.PathLike | None = None
    base_revision: str | None = None
    adapter: str | None = None
    checkpoint_file: str | os.PathLike | None = None
    checkpoint_link: str | None = None
    checkpoint_sha256: str | None = None
    reported: dict[str, float] = field(default_factory=dict)
    dataset: str | None = None
    evaluated_on: str | None = None
    fold: int | None = None
    figures: dict | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    metrics_step: int | None = None
    selected_by: str | None = None
    losses: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict = field(default_factory=dict)

    @property
    def base_repository(self) -> str | None:
        """`base_model` if it is a Hub repository."""
        if self.base_model is None or os.path.exists(self.base_model) or "/" not in str(self.base_model):
            return None
        try:
            validate_repo_id(str(self.base_model))
        except HFValidationError:
            return None
        return str(self.base_model)

    @property
    def base_name(self) -> str | None:
        """The name of `base_model` without its folders."""
        if self.base_model is None:
            return None
        return self.base_repository or Path(self.base_model).name or None

    @property
    def dataset_tag(self) -> str | None:
        """The name of the data set in the Hub's metadata."""
        return tag_of(self.dataset)

    @property
    def dataset_terms(self) -> DatasetTerms | None:
        """Title and terms of the data set. Unknown data sets have general terms."""
        if self.dataset is None:
            return None
        return DATASET_TERMS.get(self.dataset.lower()) or DatasetTerms(self.dataset, None, "has its own terms")
