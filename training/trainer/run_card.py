"""The card of a run's model: what a Trainer knows of it, beside what it was told."""

import dataclasses

from transformers import PreTrainedModel
from transformers.modelcard import extract_hyperparameters_from_trainer

from ...hub.model_card import ModelFacts, write_model_card


class WritesModelCard:
    """Mixin for a `Trainer` with the attributes `model_facts`, `base_learning_rate`, `layer_decay` and `ema_decay`."""

    def create_model_card(
        self,
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
        """Write the card of the model that is saved in `args.output_dir`, by `write_model_card`.

        PEFT writes a card of its own kind when it saves an adapter; that is left as it is.

        Args:
            finetuned_from, dataset: Instead of what `model_facts` tell.
            tasks: The pipeline tag, or several, of which the first is taken.
            language, license, tags, model_name, dataset_tags, dataset_args: As `Trainer.create_model_card` takes them.

        Raises:
            FileNotFoundError: If the model was not saved before.
        """
        model = self.accelerator.unwrap_model(self.model)
        is_adapter = getattr(model, "_hf_peft_config_loaded", False)  # `model.add_adapter`: a model of ours still
        if not isinstance(model, PreTrainedModel) or is_adapter or not self.is_world_process_zero():
            return
        facts = facts_of_run(self)
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
        write_model_card(self.args.output_dir, facts, self.hub_model_id, metadata)


def facts_of_run(trainer) -> ModelFacts:
    """A trainer's `model_facts`, with its losses and its hyper-parameters, as far as they are set.

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
