"""Evaluation of single clips and of the views of videos, by the trainer."""

import contextlib

import torch
from transformers.trainer_utils import EvalLoopOutput

from ...configuration import LGIFormerConfig
from ...modeling_lgi_former.classification_loss import problem_type_of
from .ema import average_of
from .failed_batches import raise_if_failed
from .global_generators import restored_generators
from .view_averaging import average_views, loss_of_readable


class EvaluatesViews:
    """Base class of `LGIFormerTrainer`: the evaluation. It stands before `Trainer` among the base classes."""

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Return the mean loss, one row a video (scores of `average_views`, otherwise logits), and the labels.

        Each is None if the batch has none.
        """
        raise_if_failed(inputs)
        if "video_index" in inputs:
            return self._predict_from_views(model, self._prepare_inputs(inputs))
        if "bool_masked_pos" in inputs:
            with torch.no_grad(), self.compute_loss_context_manager():
                loss = self.compute_loss(model, self._prepare_inputs(inputs))
            return loss.detach().mean(), None, None
        inputs = {name: value for name, value in inputs.items() if name != "videos"}
        if ignore_keys is None:  # VideoMAE's configuration does not name them
            ignore_keys = LGIFormerConfig.keys_to_ignore_at_inference
        # The rows are small, and `evaluation_loop` needs them for the loss.
        return super().prediction_step(model, inputs, False, ignore_keys)

    def _predict_from_views(self, model, inputs):
        """Always return the rows: they are small, and the mean loss of all videos is computed from them."""
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = model(pixel_values=inputs["pixel_values"]).logits
        scores = average_views(
            logits,
            inputs["video_index"],
            inputs["view_weights"],
            num_videos=len(inputs["videos"]),
            problem_type=problem_type_of(self.model.config),
        )
        labels = inputs.get("labels")
        loss = None if labels is None else loss_of_readable(scores, labels, self._loss_of_labels)
        return loss, scores, labels

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ) -> EvalLoopOutput:
        """Evaluate the average of the weights, if there is one.

        The loss is that of all readable videos together. `Trainer` takes the mean of the batches' losses, which
        depends on how videos fall into batches and processes. That mean stays if labels are floats and the loss is
        yours: `compute_loss_func`, or `compute_loss` of a subclass. During training, the global random generators are
        restored, so that dropout does not depend on evaluations.
        """
        generators = restored_generators() if self.is_in_train else contextlib.nullcontext()
        with generators, average_of(self.average):
            output = super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        scores, labels = output.predictions, output.label_ids
        scores = scores[0] if isinstance(scores, tuple) else scores  # `ignore_keys` may leave hidden states
        has_indices = labels is not None and labels.dtype.kind == "i"
        if scores is not None and labels is not None and (has_indices or self._computes_own_loss()):
            loss = loss_of_readable(torch.from_numpy(scores), torch.from_numpy(labels), self._loss_of_labels)
            output.metrics[f"{metric_key_prefix}_loss"] = loss.item()
        return output
