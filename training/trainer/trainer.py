"""The Trainer of LGI-Former: what MAE-DFER's recipe needs and `transformers.Trainer` lacks."""

import contextlib
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import DataCollator, SchedulerType, Trainer, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, rotate_checkpoints

from ...hub.model_card import ModelFacts
from ...modeling_lgi_former.classification_loss import classification_loss, problem_type_of
from .catching_up import CatchesUp, CatchUpCallback
from .data_loading import LoadsRepeatably
from .data_order import KeepsDataOrder
from .ema import TRAINED_WEIGHTS, ExponentialMovingAverage
from .epochs import TellEpoch
from .fsdp import ShardsModel
from .global_generators import restored_generators
from .non_finite_loss import StopAtNonFiniteLoss
from .optimization import REFERENCE_BATCH_SIZE, cosine_schedule, parameter_groups, scaled_learning_rate
from .run_card import WritesModelCard
from .uploading import UploadsModelFiles
from .view_averaging import average_views, mean_cross_entropy
from .whole_checkpoints import check_checkpoint, make_way, newest_whole_checkpoint, seal_checkpoint


class LGIFormerTrainer(
    UploadsModelFiles, WritesModelCard, ShardsModel, KeepsDataOrder, LoadsRepeatably, CatchesUp, Trainer
):
    """`transformers.Trainer` with the parts of MAE-DFER's recipe that it lacks. Trains LGI-Former and VideoMAE.

    - The optimiser that `args.optim` names gets the groups of `parameter_groups`; `lr_scheduler_type=
      "cosine_with_min_lr"` is the published `cosine_schedule` (others are Transformers' own).
    - Labels may be soft ones (batch, classes), whatever the model.
    - `evaluate` and `predict` take clips as well as the views of videos that `ViewCollator` makes. Views are averaged
      after the softmax, so that one row a video reaches `compute_metrics` and `predictions`: its
      **log-probabilities**. Videos of label -100 have a row but no part in the loss. Pre-training is evaluated by its
      loss.
    - A step whose loss is not finite stops the run (`NonFiniteLossError`). For that, batches hold `videos`, the names
      of their videos, which the model does not get.
    - It resumes from whole checkpoints only (`whole_checkpoints.py`), and with the same batches only
      (`data_order.py`); it uploads the model's files only (`uploading.py`).
    - The model's card is of its own kind (`run_card.py`), and a model sharded by FSDP2 is saved whole (`fsdp.py`).

    Args:
        model, args, **kwargs: as `transformers.Trainer` takes them. In `args`, `remove_unused_columns` and
            `logging_nan_inf_filter` are set to False: items hold what is not for the model, and every step would wait
            for the device to hide losses at which the run has to stop.
        base_learning_rate: learning rate for a total batch of 256. What `args.learning_rate` becomes is this scaled
            to the run's total batch, and so does `min_lr` of `args.lr_scheduler_kwargs`, as published. Without it,
            `args.learning_rate` is taken as it is.
        layer_decay: see `parameter_groups`.
        ema_decay: decay of a moving average of the weights, which is then what is evaluated and saved, see
            `ExponentialMovingAverage`. Without it there is none.
        eval_data_collator: makes the batches of `evaluate` and `predict`, such as `ViewCollator`; by default
            `data_collator` does.
        model_facts: what the model's card shall tell beside what the trainer knows, such as the name of the dataset.

    Raises:
        ValueError: If `args` ask for label smoothing, which the collator does, or for an average of weights that are
            spread over devices, or for FSDP where the optimiser or Accelerate cannot do with it.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        args: TrainingArguments | None = None,
        *,
        base_learning_rate: float | None = None,
        layer_decay: float = 1.0,
        ema_decay: float | None = None,
        eval_data_collator: DataCollator | None = None,
        model_facts: ModelFacts | None = None,
        **kwargs,
    ):
        super().__init__(model, args, **kwargs)
        if self.args.label_smoothing_factor:
            raise ValueError(
                f"label_smoothing_factor={self.args.label_smoothing_factor} would smooth labels that the collator has "
                "mixed. Set FinetuningCollator's label_smoothing instead."
            )
        self._check_sharding()
        if ema_decay is not None and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise ValueError(
                "ema_decay needs the whole weights on each device; leave out either it or FSDP/DeepSpeed."
            )
        self.args.remove_unused_columns = False
        self.args.logging_nan_inf_filter = False
        # VideoMAE's signature seems to take `num_items_in_batch`, and its soft labels would be counted as items.
        self.model_accepts_loss_kwargs = False
        self.base_learning_rate = base_learning_rate
        self.layer_decay = layer_decay
        self.ema_decay = ema_decay
        self.eval_data_collator = self.data_collator if eval_data_collator is None else eval_data_collator
        self.model_facts = ModelFacts() if model_facts is None else model_facts
        self.loss_watch = StopAtNonFiniteLoss(self.accelerator)
        self.add_callback(self.loss_watch)
        self.add_callback(TellEpoch())
        self.average = None
        if ema_decay is not None:
            self.average = ExponentialMovingAverage(ema_decay)
            self.add_callback(self.average)
        self.add_callback(CatchUpCallback(self))

    # Optimisation

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """As `Trainer` does, over `parameter_groups`, at the learning rate for the run's total batch."""
        if self.optimizer is None:
            model = self.model if model is None else model
            self._scale_learning_rate()
            optimizer_class, settings = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(
                self.args, model
            )
            groups = parameter_groups(model, self.args.weight_decay, self.layer_decay, self.args.learning_rate)
            self.optimizer = optimizer_class(groups, **settings)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        """As `Trainer` does; `"cosine_with_min_lr"` is `cosine_schedule`."""
        if self.lr_scheduler is None and self.args.lr_scheduler_type == SchedulerType.COSINE_WITH_MIN_LR:
            self.lr_scheduler = cosine_schedule(
                self.optimizer if optimizer is None else optimizer,
                num_warmup_steps=self.args.get_warmup_steps(num_training_steps),
                num_training_steps=num_training_steps,
                minimum_rate=self._minimum_rate(**(self.args.lr_scheduler_kwargs or {})),
            )
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def _scale_learning_rate(self):
        if self.base_learning_rate is None:
            return
        total_batch_size = self.get_total_train_batch_size(self.args)
        self.args.learning_rate = scaled_learning_rate(self.base_learning_rate, total_batch_size)
        if self.is_world_process_zero():
            print(
                f"Learning rate {self.args.learning_rate:g} = {self.base_learning_rate:g} x total batch "
                f"{total_batch_size} / {REFERENCE_BATCH_SIZE}"
            )

    def _minimum_rate(self, min_lr=0.0, min_lr_rate=None):
        """Lowest learning rate as a share of the full one, which both are scaled by the total batch."""
        if min_lr_rate is not None:
            return min_lr_rate
        return min_lr / (self.args.learning_rate if self.base_learning_rate is None else self.base_learning_rate)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Loss of a batch: of `classification_loss` where there are labels, else the model's own."""
        inputs = dict(inputs)
        videos = inputs.pop("videos", [])
        if "labels" in inputs and self.compute_loss_func is None:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            loss = self._classification_loss(outputs.logits, labels)
        else:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            self.loss_watch.record(loss, videos)
        return (loss, outputs) if return_outputs else loss

    def _classification_loss(self, logits, labels):
        config = self.model.config
        loss = classification_loss(logits, labels, config)
        if self._predicts_one_class():
            # Float labels have now been found to be soft ones. To find it in every step would wait for the device.
            config.problem_type = "single_label_classification"
        return loss

    def _predicts_one_class(self):
        """Whether a clip or video has one of several classes; as `classification_loss` takes it."""
        config = self.model.config
        return problem_type_of(config) == "single_label_classification" and config.num_labels > 1

    # Evaluation

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """As `Trainer.evaluate`. In training, it leaves the global random generators as they were.

        Otherwise dropout would depend on how often a run was resumed: `Trainer` makes a data loader, which draws a
        seed, for the first evaluation after a start only.
        """
        with restored_generators() if self.is_in_train else contextlib.nullcontext():
            return super().evaluate(*args, **kwargs)

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader:
        """As `Trainer`'s, with `eval_data_collator`."""
        with self._evaluation_collator():
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Dataset) -> DataLoader:
        """As `Trainer`'s, with `eval_data_collator`."""
        with self._evaluation_collator():
            return super().get_test_dataloader(test_dataset)

    @contextlib.contextmanager
    def _evaluation_collator(self):
        training_collator, self.data_collator = self.data_collator, self.eval_data_collator
        try:
            yield
        finally:
            self.data_collator = training_collator

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """
        Returns:
            Mean loss of the batch, a row a video (from views: log-probabilities; otherwise logits) and labels, each
            None where there is none.
        """
        if "video_index" in inputs:
            return self._predict_from_views(model, self._prepare_inputs(inputs))
        if "bool_masked_pos" in inputs:
            with torch.no_grad(), self.compute_loss_context_manager():
                loss = self.compute_loss(model, self._prepare_inputs(inputs))
            return loss.detach().mean(), None, None
        inputs = {name: value for name, value in inputs.items() if name != "videos"}
        return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)

    def _predict_from_views(self, model, inputs):
        """Rows are few and small, and the mean loss of all videos is made of them: they are always returned."""
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = model(pixel_values=inputs["pixel_values"]).logits
        if logits.ndim != 2 or not self._predicts_one_class():
            raise ValueError(
                "Views are averaged as probabilities of one class a video, but the model has "
                f"problem_type={self.model.config.problem_type!r} and logits of shape {tuple(logits.shape)}. "
                "Evaluate it on single clips."
            )
        log_probabilities = average_views(
            logits, inputs["video_index"], inputs["view_weights"], num_videos=len(inputs["videos"])
        )
        labels = inputs.get("labels")
        loss = None if labels is None else mean_cross_entropy(log_probabilities, labels)
        return loss, log_probabilities, labels

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ) -> EvalLoopOutput:
        """As `Trainer`'s, of the weights' average if there is one.

        The loss of class labels is the mean over all videos: `Trainer` takes the mean of the batches' means, which
        depends on how videos fall into batches and processes.
        """
        with self._average_applied():
            output = super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        scores, labels = output.predictions, output.label_ids
        if scores is not None and labels is not None and labels.dtype.kind == "i" and scores.ndim == labels.ndim + 1:
            loss = mean_cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels))
            output.metrics[f"{metric_key_prefix}_loss"] = loss.item()
        return output

    # Checkpoints

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs):
        """As `Trainer.train`. True resumes from the newest whole checkpoint of `args.output_dir`.

        Raises:
            ValueError: If there is no whole checkpoint, or the given one is not whole, or it was saved with an
                average of the weights or with FSDP and this run has none, or the other way round, or this run has
                other batches.
            NonFiniteLossError: If the loss of a step is not finite.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = newest_whole_checkpoint(self.args.output_dir)
            if resume_from_checkpoint is None:
                raise ValueError(f"There is no whole checkpoint in {self.args.output_dir} to resume from.")
        if resume_from_checkpoint:
            check_checkpoint(resume_from_checkpoint)
            self._check_average(resume_from_checkpoint)
            self._check_state_dict_type(resume_from_checkpoint)
            self._check_data_order(resume_from_checkpoint)
            resume_from_checkpoint = str(resume_from_checkpoint)
        if self.average is not None:
            self.average.resume_from = resume_from_checkpoint or None
        self._resumed_from = resume_from_checkpoint or None
        self._ignored_keys = kwargs.get("ignore_keys_for_eval")
        return super().train(resume_from_checkpoint or None, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False):
        """As `Trainer.save_model`: what evaluation sees, so the weights' average if there is one."""
        with self._average_applied():
            super().save_model(output_dir, _internal_call)

    def _save_checkpoint(self, model, trial):
        """As `Trainer`'s, sealed, and with older ones removed only after that."""
        run_dir = Path(self._get_output_dir(trial=trial))
        folder = run_dir / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        if self.args.should_save:
            make_way(folder)
        self.accelerator.wait_for_everyone()  # the other processes write to the folder, too
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        self._save_progress(folder)
        if self.args.should_save:
            self._save_data_order(folder)
            if self.average is not None:
                self.average.save(folder)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seal_checkpoint(folder)
            rotate_checkpoints(str(run_dir), limit, self.state.best_model_checkpoint, use_mtime=True)

    def _check_average(self, checkpoint):
        has_average = (Path(checkpoint) / TRAINED_WEIGHTS).is_file()
        if has_average != (self.average is not None):
            raise ValueError(
                f"{checkpoint} was saved {'with' if has_average else 'without'} a moving average of the weights, but "
                f"ema_decay is {'not ' if has_average else ''}set now. Resume as the run was started."
            )

    def _average_applied(self):
        return contextlib.nullcontext() if self.average is None else self.average.applied()
