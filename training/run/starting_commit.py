"""The commit of a starting model on the Hub. A run that resumes starts from the same commit."""

import copy
import json
import os
from pathlib import Path

from ...conversion import model_folder
from ...files import whole_file
from ...hub.loading import pinned
from ...hub.model_card import ModelFacts
from ...hub.model_names import split_revision
from .arguments import ModelArguments, RecipeTrainingArguments
from .starting_model import CHECKPOINT_SUFFIXES


STARTING_MODEL_FILE = "starting_model.json"
"""The file in the output folder of a run that starts from a model on the Hub."""


def pin_starting_model(arguments: ModelArguments, training: RecipeTrainingArguments) -> ModelArguments:
    """Find the commit that a run starts from, if its model is on the Hub.

    A run that resumes takes the commit in `starting_model.json`, even if the branch has moved since then.

    Returns:
        The options, with the name of the repository and the commit as its revision. Options of other models do not
        change.

    Raises:
        ValueError: If a local or released model has a revision, or if a run that resumes started from another commit.
        OSError: If there is no such model or revision, or the Hub does not answer.
    """
    if arguments.model_name_or_path is None:
        return arguments
    name, revision = split_revision(model_folder(arguments.model_name_or_path, arguments.revision))
    if os.path.exists(name) or Path(name).suffix in CHECKPOINT_SUFFIXES:
        return arguments
    started = _started_from(training) if training.resume_from_checkpoint else {}
    recorded = started.get("commit") if started.get("model") == name else None
    name, commit = pinned(name, revision or recorded)
    if recorded not in (None, commit):
        raise ValueError(
            f"The run in '{training.output_dir}' started from the commit {recorded} of {name}, but the revision "
            f"'{revision}' is {commit}. Leave the revision out, or start a new run."
        )
    pinned_arguments = copy.copy(arguments)
    pinned_arguments.model_name_or_path, pinned_arguments.revision = name, commit
    return pinned_arguments


def record_starting_model(facts: ModelFacts, training: RecipeTrainingArguments):
    """Write the commit of a starting model on the Hub into the output folder, for a run that resumes.

    For another starting model, delete the file of a run that ended before its first checkpoint.
    """
    recorded = Path(training.output_dir, STARTING_MODEL_FILE)
    if facts.base_revision is None:
        recorded.unlink(missing_ok=True)
    else:
        recorded.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(recorded) as file:
            record = {"model": facts.base_model, "commit": facts.base_revision}
            file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _started_from(training: RecipeTrainingArguments) -> dict:
    file = Path(training.output_dir, STARTING_MODEL_FILE)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
