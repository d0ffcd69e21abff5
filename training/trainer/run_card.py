"""Writes the model card of a run, from what the trainer knows and from its `model_facts`."""

import dataclasses
import numbers
from typing import NamedTuple

from transformers import PreTrainedModel, Trainer
from transformers.modelcard import extract_hyperparameters_from_trainer

from ...hub.model_card import ModelFacts, write_model_card
from ...modeling_lgi_former.classification_loss import problem_type_of
from .adapters import model_in


_PREFIX = "eval_"  # of the figures of an evaluation in the log
_TIMES = ("_runtime", "_per_second", "_preparation_time")


def write_run_card(
    trainer: Trainer,
    language: str | None = None,
    license: str | None = None,
    tags: str | list[str] | None = None,
    model_name: str | None = None,
    finetuned_from: str | None = None,
    tasks: str | list[str] | None = None,
    dataset_tags: str | list[str] | None = None,
    dataset: str | list[str] | None = None,
    dataset_args: str | list[str] | None = None,
):
    """Write the card of the model that is saved in `args.output_dir`, with `write_model_card`.

    Args:
        trainer: The trainer of the model.
        finetuned_from, dataset: Replace those in `model_facts`.
        tasks: The pipeline tag. The first of several is used.
        language, license, tags, model_name, dataset_tags, dataset_args: As for `Trainer.create_model_card`.

    Raises:
        FileNotFoundError: If the model was not saved before.
    """
    model = model_in(trainer.accelerator.unwrap_model(trainer.model))
    if not isinstance(model, PreTrainedModel) or not trainer.is_world_process_zero():
        return
    facts = facts_of_run(trainer)
    if finetuned_from is not None:
        facts.base_model = finetuned_from
    if dataset is not None:
        facts.dataset = ", ".join(_as_list(dataset))
    metadata = {
        "language": language,
        "license": license,
        "tags": None if tags is None else _as_list(tags),
        "model_name": model_name,
        "pipeline_tag": None if tasks is None else _as_list(tasks)[0],
        "datasets": dataset_tags,
        "dataset_args": dataset_args,
    }
    write_model_card(trainer.args.output_dir, facts, trainer.hub_model_id, metadata)


def facts_of_run(trainer: Trainer) -> ModelFacts:
    """Return a copy of `model_facts` with the run's losses, metrics and the hyper-parameters that are set.

    Losses and metrics of the evaluation are those of the best step if the best model was loaded, else the last ones.
    Hyper-parameters have the names that they have on the cards of `Trainer`.
    """
    args, given = trainer.args, trainer.model_facts
    ours = {
        "base_learning_rate": trainer.base_learning_rate,
        "lr_scheduler_kwargs": args.lr_scheduler_kwargs,
        "layer_decay": trainer.layer_decay,
        "weight_decay": args.weight_decay,
        "ema_decay": trainer.ema_decay,
        "class_weights": _named(trainer.class_weights, trainer.model.config),
        "max_grad_norm": args.max_grad_norm,
        "bf16": args.bf16,
    }
    if problem_type_of(trainer.model.config) == "regression":
        ours["regression_loss"] = getattr(trainer, "regression_loss", None)
    hyperparameters = extract_hyperparameters_from_trainer(trainer) | ours | given.hyperparameters
    evaluation = _evaluation_of_weights(trainer)
    losses = _last_loss(trainer.state.log_history)
    if "loss" in evaluation.figures:
        losses[f"in evaluation, at step {evaluation.step}"] = evaluation.figures.pop("loss")
    return dataclasses.replace(
        given,
        losses=losses | given.losses,
        metrics=evaluation.figures | given.metrics,
        metrics_step=evaluation.step,
        selected_by=given.selected_by or evaluation.selected_by,
        hyperparameters={name: value for name, value in hyperparameters.items() if value is not None},
    )


class _Evaluation(NamedTuple):
    """
    Attributes:
        step (`int`, *optional*): The step of the weights.
        figures (`dict[str, float]`): Loss and metrics by name, without "eval_".
        selected_by (`str`, *optional*): The figure that selected these weights on the same videos.
    """

    step: int | None
    figures: dict[str, float]
    selected_by: str | None


def _evaluation_of_weights(trainer: Trainer) -> _Evaluation:
    """Return the latest evaluation of the weights that the trainer has now."""
    state, history = trainer.state, trainer.state.log_history
    ends = [index for index, log in enumerate(history) if "train_runtime" in log]
    best = state.best_global_step if ends and trainer.args.load_best_model_at_end else None
    logs = [log for log in history if any(name.startswith(_PREFIX) for name in log)]
    if not logs:
        return _Evaluation(None, {}, None)
    # After the end of training, all evaluations are of these weights.
    later = [log for log in history[ends[-1] :] if any(log is one for one in logs)] if ends else []
    step = logs[-1]["step"] if later or best is None else best
    merged = {}  # each of several data sets has its own log
    for log in later or logs:
        merged |= log if log["step"] == step else {}
    figures = {
        name.removeprefix(_PREFIX): float(value)
        for name, value in merged.items()
        if name.startswith(_PREFIX) and not name.endswith(_TIMES) and isinstance(value, numbers.Real)
    }
    is_selected = best is not None and trainer.evaluates_own_videos
    return _Evaluation(
        step if best is None else best, figures, trainer.args.metric_for_best_model if is_selected else None
    )


def _last_loss(log_history):
    logs = [log for log in log_history if "loss" in log]
    return {f"in training, at step {logs[-1]['step']}": logs[-1]["loss"]} if logs else {}


def _named(weights, config):
    if weights is None:
        return None
    return ", ".join(f"{config.id2label[index]} {weight:.3g}" for index, weight in enumerate(weights.tolist()))


def _as_list(value):
    return [value] if isinstance(value, str) else list(value)
