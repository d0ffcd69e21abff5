"""Model cards: the `README.md` of a model's directory, with the metadata that the Hub reads.

A card ends with a digest of its text. The digest shows whether somebody has edited the card. Edited cards are never
overwritten.
"""

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.constants import REPOCARD_NAME
from transformers import PreTrainedConfig
from transformers.utils import CONFIG_NAME, logging

from ...files import whole_file
from ..loading import load_config
from ..model_kind import kind_of
from ..model_names import split_revision
from ..repository_files import adapter_settings
from .facts import ModelFacts, tag_of
from .figures import metrics_in
from .sections import card_text, usage_code


logger = logging.get_logger(__name__)

# Earlier versions ended the line with other words.
_LAST_LINE = re.compile(r"\n<!-- Written by lgi-former, digest ([0-9a-f]{64})\. [\w ]+\. -->\n\Z")
_CODE = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def write_model_card(
    folder: str | os.PathLike, facts: ModelFacts, repo_id: str | None = None, metadata: Mapping | None = None
) -> bool:
    """Write the card of the model in `folder`. A card that somebody has written or edited is not replaced.

    Args:
        folder: A directory that `save_pretrained` wrote.
        facts: Facts about the model.
        repo_id: The Hub repository of the example. Without it, the example loads the directory.
        metadata: Fields of `ModelCardData` that replace ours. `tags` are added to ours.

    Returns:
        Whether the card was written. If not, a warning is logged.

    Raises:
        FileNotFoundError: If there is no model in `folder`.
    """
    path = Path(folder, REPOCARD_NAME)
    if path.exists() and not is_as_written(_read(path)):
        logger.warning(f"{path} was edited or written by somebody else. It does not change, so it may be out of date.")
        return False
    card = _new_card(folder, facts, repo_id, metadata or {})
    with whole_file(path) as unfinished:  # a part of a card would look like an edited card
        unfinished.write_text(card, encoding="utf-8")
    return True


def card_for_repository(folder: str | os.PathLike, repo_id: str) -> str | None:
    """Text of the card in `folder`, with the example for `repo_id`.

    If there is no card, the text is made from the model's configuration.

    Returns:
        The text, or None if somebody has written or edited the card.

    Raises:
        FileNotFoundError: If there is no model in `folder`.
    """
    path = Path(folder, REPOCARD_NAME)
    if not path.exists():
        return _new_card(folder, ModelFacts(), repo_id, {})
    card = _read(path)
    if not is_as_written(card):
        return None
    usage = usage_code(_config_in(folder), repo_id, is_adapter=adapter_settings(folder) is not None)
    return _with_digest(_CODE.sub(lambda _: usage, _LAST_LINE.sub("", card), count=1))


def is_as_written(card: str) -> bool:
    """Whether this is the text of a card that `write_model_card` wrote and nobody has edited."""
    last_line = _LAST_LINE.search(card)
    return last_line is not None and last_line[1] == _digest(card[: last_line.start()])


def _read(path):
    return path.read_text(encoding="utf-8", errors="replace")  # a user's file may have another encoding


def _new_card(folder, facts, repo_id, metadata):
    config, adapter = _config_in(folder), adapter_settings(folder)
    if adapter is not None:
        base = facts.base_model or adapter.get("base_model_name_or_path")
        facts = dataclasses.replace(facts, adapter=adapter["peft_type"], base_model=base)
    name = Path(folder).resolve().name if repo_id is None else repo_id
    data = _card_data(config, facts, split_revision(name)[0].split("/")[-1], dict(metadata))
    text = card_text(config, facts, name)
    return _with_digest(str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")))


def _config_in(folder) -> PreTrainedConfig:
    if not Path(folder, CONFIG_NAME).is_file():
        raise FileNotFoundError(f"{folder} has no {CONFIG_NAME}: save the model before its card.")
    return load_config(folder)


def _with_digest(card):
    return f"{card}\n<!-- Written by lgi-former, digest {_digest(card)}. Edited cards are not replaced. -->\n"


def _digest(card):
    return hashlib.sha256(card.encode("utf-8")).hexdigest()


def _card_data(config, facts, model_name, given):
    given = {name: value for name, value in given.items() if value is not None}
    task = "video-classification" if kind_of(config.architectures) == "classifier" else "feature-extraction"
    task = given.pop("pipeline_tag", task)
    model_name = given.pop("model_name", model_name)
    tags = [config.model_type, "mae-dfer", "facial-expression-recognition", "emotion-recognition", "video"]
    tags += [facts.dataset_tag] if facts.dataset_tag else []
    tags += [facts.adapter.lower()] if facts.adapter else []
    tags += given.pop("tags", [])
    ours = {"library_name": "transformers", "base_model": facts.base_repository}
    if facts.adapter:
        ours |= {"library_name": "peft", "base_model_relation": "adapter"}
    if results := _eval_results(facts, task, given.pop("dataset_args", None)):
        metrics = sorted({result.metric_type for result in results})
        ours |= {"eval_results": results, "model_name": model_name, "metrics": metrics}
    return ModelCardData(**ours | given, pipeline_tag=task, tags=tags)


def _eval_results(facts, task, dataset_args):
    measured = facts.figures or facts.metrics
    dataset = facts.dataset_terms.title if facts.dataset_terms else facts.evaluated_on
    return [
        EvalResult(
            task_type=task,
            dataset_type=facts.dataset_tag or tag_of(dataset) or "unknown",
            dataset_name=dataset or "unknown",
            dataset_config=None if facts.fold is None else f"fold {facts.fold}",
            dataset_args=dataset_args,
            metric_type=metric.hub_type,
            metric_name=metric.title,
            metric_value=measured[name],
        )
        for name, metric in metrics_in(measured).items()
    ]
