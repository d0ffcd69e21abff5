"""Writes the model card of a run, from what the trainer knows and from its `model_facts`."""

import dataclasses

from transformers import PreTrainedModel, Trainer
from transformers.modelcard import extract_hyperparameters_from_trainer

from ...hub.model_card import ModelFacts, write_model_card
from .adapters import model_in


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
    """Return a copy of `model_facts` with the run's losses and the hyper-parameters that are set.

    Hyper-parameters have the names that they have on the cards of `Trainer`.
    """
    args, given = trainer.args, trainer.model_facts
    ours = {
        "base_learning_rate": trainer.base_learning_rate,
        "lr_scheduler_kwargs": args.lr_scheduler_kwargs,
        "layer_decay": trainer.layer_decay,
        "weight_decay": args.weight_decay,
        "ema_decay": trainer.ema_decay,
        "max_grad_norm": args.max_grad_norm,
        "bf16": args.bf16,
    }
    hyperparameters = extract_hyperparameters_from_trainer(trainer) | ours | given.hyperparameters
    return dataclasses.replace(
        given,
        losses=_last_losses(trainer.state.log_history) | given.losses,
        hyperparameters={name: value for name, value in hyperparameters.items() if value is not None},
    )


def _last_losses(log_history):
    losses = {}
    for name, title in (("loss", "in training"), ("eval_loss", "in evaluation")):
        logs = [log for log in log_history if name in log]
        if logs:
            losses[f"{title}, at step {logs[-1]['step']}"] = logs[-1][name]
    return losses


def _as_list(value):
    return [value] if isinstance(value, str) else list(value)
