"""The Trainer of LGI-Former: `transformers.Trainer` with the parts of MAE-DFER's recipe that it lacks."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import DataCollator, SchedulerType, Trainer, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, SaveStrategy

from ...files import follow_umask, whole_file, whole_files
from ...hub.model_card import ModelFacts
from ...messages import is_quiet
from ...modeling_lgi_former.classification_loss import classification_loss, problem_type_of
from ...saving import refuse_foreign_code
from .adapters import check_adapter, check_adapter_to_upload, complete_adapter
from .arguments import recipe_option
from .class_weights import checked_class_weights
from .data_loading import evaluation_loader, stop_workers, training_loader
from .data_order import check_data_order, save_data_order
from .ema import ExponentialMovingAverage, average_of, check_average
from .epoch_end import RestoreRunningLoss, SaveAfterEpochEnd, save_running_loss
from .epochs import FollowEpoch
from .evaluating import EvaluatesViews
from .failed_batches import raise_if_failed
from .fsdp import SHARDED_STATE_DICT, check_sharding, check_state_dict_type, state_dict_type
from .given_metrics import checked_metrics
from .label_check import check_labels
from .lone_processes import check_processes
from .non_finite_loss import StopAtNonFiniteLoss
from .optimization import REFERENCE_BATCH_SIZE, cosine_schedule, parameter_groups, scaled_learning_rate
from .regression_losses import REGRESSION_LOSSES, check_regression_loss
from .run_card import write_run_card
from .upload import check_hub_strategy, push_checkpoint, push_model
from .whole_checkpoints import checkpoint_to_resume, sealed_checkpoint


class LGIFormerTrainer(EvaluatesViews, Trainer):
    """Trains and evaluates LGI-Former and VideoMAE.

    - The optimiser gets the groups of `parameter_groups`. `lr_scheduler_type="cosine_with_min_lr"` is the published
      `cosine_schedule`.
    - The model's `problem_type` selects the loss. Labels of one class may be soft labels (batch, classes).
      `args.regression_loss` selects the loss of numbers.
    - `evaluate` and `predict` take single clips, or views of videos from `ViewCollator`. `average_views` averages the
      views, so `compute_metrics` and `predictions` get one row a video: **log-probabilities** of classes, logits of
      several labels, or numbers. Unreadable videos, whose labels are -100 or NaN, have a row but do not count in the
      loss. Pre-training is evaluated by its loss.
    - A step whose loss is not finite stops the run (`NonFiniteLossError`). The error names the `videos` of the batch.
    - A run resumes from complete checkpoints and with the same batches only. It then equals an uninterrupted run.
    - Only the model's files are uploaded (`upload.py`). A model sharded by FSDP2 is saved whole (`fsdp.py`).

    Args:
        model, **kwargs: As for `transformers.Trainer`.
        args: `LGIFormerTrainingArguments`, or a plain `TrainingArguments`. `remove_unused_columns` and
            `logging_nan_inf_filter` are set to False: batches hold more than the model's inputs, and the filter would
            wait for the device in every step.
        base_learning_rate: Learning rate for a total batch of 256. `args.learning_rate` is set to this rate, scaled to
            the run's total batch. `min_lr` of `args.lr_scheduler_kwargs` is scaled alike. None: as in `args`.
        layer_decay: See `parameter_groups`. None: as in `args`.
        ema_decay: Decay of a moving average of the weights, which is evaluated and saved. See
            `ExponentialMovingAverage`. None: as in `args`.
        class_weights: Weights of the classes in the training loss, see `classification_loss`. The evaluation has no
            weights.
        eval_data_collator: Makes the batches of `evaluate` and `predict`, such as `ViewCollator` (default:
            `data_collator`).
        model_facts: Facts for the model's card that the trainer does not know, such as the name of the dataset.

    Raises:
        ValueError: If `args` ask for label smoothing, which the collator does. If they ask for an average of weights
            that are spread over devices, or for FSDP that the optimiser or Accelerate does not support. If
            `class_weights` do not fit the model, or `compute_loss_func` computes the loss.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        args: TrainingArguments | None = None,
        *,
        base_learning_rate: float | None = None,
        layer_decay: float | None = None,
        ema_decay: float | None = None,
        class_weights: Sequence[float] | None = None,
        eval_data_collator: DataCollator | None = None,
        model_facts: ModelFacts | None = None,
        **kwargs,
    ):
        super().__init__(model, args, **kwargs)
        self.base_learning_rate = recipe_option(self.args, "base_learning_rate", base_learning_rate)
        self.layer_decay = recipe_option(self.args, "layer_decay", layer_decay)
        self.ema_decay = recipe_option(self.args, "ema_decay", ema_decay)
        self.regression_loss = recipe_option(self.args, "regression_loss")
        self.class_weights = checked_class_weights(class_weights, self)
        self.compute_metrics = checked_metrics(self.compute_metrics)
        self._check_options()
        self.args.remove_unused_columns = False
        self.args.logging_nan_inf_filter = False
        # VideoMAE's signature seems to take `num_items_in_batch`, and its soft labels would be counted as items.
        self.model_accepts_loss_kwargs = False
        self.eval_data_collator = self.data_collator if eval_data_collator is None else eval_data_collator
        self.evaluation_loaders = {}
        self.evaluates_own_videos = True
        self.model_facts = ModelFacts() if model_facts is None else model_facts
        self.loss_watch = StopAtNonFiniteLoss(self.accelerator)
        self.average = None if self.ema_decay is None else ExponentialMovingAverage(self.ema_decay)
        self.running_loss = RestoreRunningLoss(self)
        self.save_after_epoch_end = SaveAfterEpochEnd()
        callbacks = [self.loss_watch, FollowEpoch(), self.average, self.running_loss, self.save_after_epoch_end]
        for callback in filter(None, callbacks):
            self.add_callback(callback)

    def _check_options(self):
        if self.args.label_smoothing_factor:
            raise ValueError(
                f"label_smoothing_factor={self.args.label_smoothing_factor} would smooth labels that the collator has "
                "mixed. Set FinetuningCollator's label_smoothing instead."
            )
        check_processes(self.args)
        check_regression_loss(self)
        check_sharding(self)
        check_adapter(self)
        if self.ema_decay is not None and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise ValueError(
                "ema_decay needs the whole weights on each device. Do not set it together with FSDP or DeepSpeed."
            )

    # Data

    def get_train_dataloader(self) -> DataLoader:
        """Return `training_loader`."""
        return training_loader(self)

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader:
        """Return `evaluation_loader` of a data set, or of (one of) the trainer's `eval_dataset`.

        `evaluates_own_videos` then says whether it is the latter. Its videos select the best model.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            raise ValueError("Evaluation needs an eval_dataset.")
        self.evaluates_own_videos = isinstance(dataset, str) or dataset is self.eval_dataset
        return evaluation_loader(self, self.eval_dataset[dataset] if isinstance(dataset, str) else dataset)

    def get_test_dataloader(self, test_dataset: Dataset) -> DataLoader:
        """Return `evaluation_loader`."""
        return evaluation_loader(self, test_dataset)

    # Optimisation

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimiser of `args.optim` with `parameter_groups`, at the learning rate for the total batch."""
        if self.optimizer is None:
            model = self.model if model is None else model
            self._scale_learning_rate()
            optimizer_class, settings = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(
                self.args, model
            )
            groups = parameter_groups(model, self.args.weight_decay, self.layer_decay, self.args.learning_rate)
            self.optimizer = optimizer_class(groups, **settings)
        return self.optimizer

    def _scale_learning_rate(self):
        if self.base_learning_rate is None:
            return
        total_batch_size = self.get_total_train_batch_size(self.args)
        self.args.learning_rate = scaled_learning_rate(self.base_learning_rate, total_batch_size)
        if self.is_world_process_zero() and not is_quiet():
            print(
                f"Learning rate {self.args.learning_rate:g} = {self.base_learning_rate:g} x total batch "
                f"{total_batch_size} / {REFERENCE_BATCH_SIZE}"
            )

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        """Make the schedule of `args.lr_scheduler_type`. `"cosine_with_min_lr"` is `cosine_schedule`."""
        if self.lr_scheduler is None and self.args.lr_scheduler_type == SchedulerType.COSINE_WITH_MIN_LR:
            self.lr_scheduler = cosine_schedule(
                self.optimizer if optimizer is None else optimizer,
                num_warmup_steps=self.args.get_warmup_steps(num_training_steps),
                num_training_steps=num_training_steps,
                minimum_rate=self._minimum_rate(**(self.args.lr_scheduler_kwargs or {})),
            )
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def _minimum_rate(self, min_lr=0.0, min_lr_rate=None):
        """Return the lowest learning rate as a share of the full one. The total batch scales both."""
        full_rate = self.args.learning_rate if self.base_learning_rate is None else self.base_learning_rate
        return min_lr / full_rate if min_lr_rate is None else min_lr_rate

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the loss of a batch: `classification_loss` if there are labels, else the model's own."""
        raise_if_failed(inputs)
        inputs = dict(inputs)
        videos = inputs.pop("videos", [])
        if "labels" in inputs and self.compute_loss_func is None:
            labels = inputs.pop("labels")
            check_labels(labels, self.model.config)
            outputs = model(**inputs)
            loss = self._loss_of_labels(outputs.logits, labels, self.class_weights if model.training else None)
        else:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            self.loss_watch.record(loss, videos)
        return (loss, outputs) if return_outputs else loss

    def _loss_of_labels(self, logits, labels, class_weights=None):
        config, regression_loss = self.model.config, REGRESSION_LOSSES[self.regression_loss]
        return classification_loss(logits, labels, config, problem_type_of(config), regression_loss, class_weights)

    def _computes_own_loss(self) -> bool:
        """Whether the loss is that of `compute_loss` here, and not yours."""
        return self.compute_loss_func is None and type(self).compute_loss is LGIFormerTrainer.compute_loss

    # Checkpoints

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs):
        """Train, or resume a run. True resumes from the newest complete checkpoint of `args.output_dir`.

        Raises:
            ValueError: If the checkpoint is missing or incomplete. If it was saved with other batches, or with another
                choice of `ema_decay` or FSDP.
            NonFiniteLossError: If the loss of a step is not finite.
        """
        checkpoint = checkpoint_to_resume(self.args.output_dir, resume_from_checkpoint)
        if checkpoint is not None:
            check_average(self.average, checkpoint)
            check_state_dict_type(self, checkpoint)
            check_data_order(self, checkpoint)
        self.running_loss.checkpoint = checkpoint
        if self.average is not None:
            self.average.checkpoint = checkpoint
        try:
            return super().train(checkpoint, **kwargs)
        finally:
            stop_workers([self.callback_handler.train_dataloader, *self.evaluation_loaders.values()])

    def _run_epoch(self, **kwargs):
        """Train for an epoch. `Trainer` would train one step more if a run resumes from its last step."""
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(**kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False):
        """Save the average of the weights, if there is one, else the weights.

        An earlier model in the folder is replaced when the new one is complete and on the disk. `Trainer` saves no
        `model.safetensors` if state dicts are sharded, so it is saved here.
        """
        with average_of(self.average):
            if state_dict_type(self) == SHARDED_STATE_DICT:
                self._save(output_dir, state_dict=self.accelerator.get_state_dict(self.model))
            super().save_model(output_dir, _internal_call)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None):
        folder = Path(self.args.output_dir if output_dir is None else output_dir)
        if not self.args.should_save:  # it may have to take part in gathering the weights
            super()._save(output_dir, state_dict)
            return
        with whole_files(folder) as written:
            with complete_adapter(self, written):
                super()._save(str(written), state_dict)
            follow_umask(written, "*.safetensors")
            refuse_foreign_code(folder, [path.name for path in written.glob("*.py")])

    def save_state(self):
        """Write `trainer_state.json` in `args.output_dir` atomically."""
        if self.is_world_process_zero():
            with whole_file(Path(self.args.output_dir, TRAINER_STATE_NAME)) as file:
                self.state.save_to_json(str(file))

    def _determine_best_metric(self, metrics, trial):
        """Return whether a model is the best. With `save_strategy="best"`, return whether to save it now."""
        wanted = self.args.metric_for_best_model
        if wanted is not None and (name := f"eval_{wanted.removeprefix('eval_')}") not in metrics:
            raise ValueError(
                f"The evaluation has no {name}, which should select the best model. It may be undefined for these "
                f"videos. Choose one of {', '.join(metrics)} as metric_for_best_model."
            )
        is_best = super()._determine_best_metric(metrics, trial)
        if is_best and self.args.save_strategy == SaveStrategy.BEST:
            return not self.save_after_epoch_end.postpone()
        return is_best

    def _save_checkpoint(self, model, trial):
        folder = Path(self._get_output_dir(trial=trial), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        with sealed_checkpoint(self, folder):
            super()._save_checkpoint(model, trial)
            save_running_loss(self, folder)
            if self.args.should_save:
                save_data_order(self, folder)
                if self.average is not None:
                    self.average.save(folder)

    # Hub

    def create_model_card(self, *args, **kwargs):
        """Write the card of the saved model with `write_run_card`, which has the options of `Trainer`."""
        write_run_card(self, *args, **kwargs)

    def init_hf_repo(self, *args, **kwargs):
        """Make the repository on the Hub.

        Raises a ValueError if `args.hub_strategy` would upload checkpoints, or if an adapter's base is a folder.
        """
        check_hub_strategy(self.args)
        check_adapter_to_upload(self.model)
        super().init_hf_repo(*args, **kwargs)

    def push_to_hub(self, *args, **kwargs):
        """Save the model and its card, and upload them with `push_model`, which has the options of `Trainer`."""
        return push_model(self, *args, **kwargs)

    def _push_from_checkpoint(self, checkpoint_folder: str):
        push_checkpoint(self, checkpoint_folder)
