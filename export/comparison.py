"""Runs an exported program beside its model: differences of outputs, and times."""

import statistics
import time
from collections.abc import Callable

import torch

from ..hub.answer_kind import answers_of
from ..modeling_lgi_former import LGIFormerForVideoClassification
from ..modeling_lgi_former.classification_loss import problem_type_of
from .program import TensorModel, example_inputs


TOLERANCE = 1e-4
"""The largest difference of an output, also relative to its largest value if that is above 1."""

SMALL_OUTPUT_TOLERANCE = 1e-2
"""The largest difference relative to the largest value. It decides for outputs near 0, as of an untrained head."""

TURNS = 5


class ExportError(ValueError):
    """An exported program that does not compute what its model computes. The message says by how much it differs."""


@torch.inference_mode()
def compare(tensor_model: TensorModel, program: Callable, batches: list[int], has_bound: bool = True) -> dict:
    """Compare the outputs of a program with those of its model on random clips.

    Args:
        tensor_model: The model.
        program: Called with the inputs of the model. Its result has the outputs as attributes.
        batches: Numbers of clips to compare.
        has_bound: Whether a difference above the tolerance is an error. Quantised programs have no bound.

    Returns:
        `batches`, `largest_difference` of all outputs, and for classifiers `largest_score_difference` and
        `same_top_label`, the share of rows whose highest logit is that of the same label.

    Raises:
        ExportError: If an output has another shape, is not finite, or differs by more than the tolerance.
    """
    largest, score_difference, same = 0.0, 0.0, []
    is_classifier = isinstance(tensor_model.model, LGIFormerForVideoClassification)
    for batch_size in batches:
        inputs = example_inputs(tensor_model.model, batch_size, seed=batch_size)
        results = program(*inputs)
        for name, expected in zip(tensor_model.outputs, tensor_model(*inputs), strict=True):
            output = torch.as_tensor(getattr(results, name))
            largest = max(largest, _difference(name, output, expected, batch_size, has_bound))
            if is_classifier:
                problem_type = problem_type_of(tensor_model.model.config)
                scores, expected_scores = (answers_of(logits, problem_type) for logits in (output, expected))
                score_difference = max(score_difference, (scores - expected_scores).abs().max().item())
                same += (output.argmax(dim=-1) == expected.argmax(dim=-1)).flatten().tolist()
    compared = {"batches": batches, "largest_difference": largest}
    if is_classifier:
        compared |= {"largest_score_difference": score_difference, "same_top_label": sum(same) / len(same)}
    return compared


def _difference(name: str, output: torch.Tensor, expected: torch.Tensor, batch_size: int, has_bound: bool) -> float:
    """The largest difference of an output. Raises ExportError as `compare` does."""
    where = f"{name} of a batch of {batch_size}"
    if output.shape != expected.shape:
        raise ExportError(
            f"The exported program gives {where} the shape {tuple(output.shape)}, but the model gives "
            f"{tuple(expected.shape)}. Nothing was written."
        )
    if not output.isfinite().all():
        raise ExportError(f"The exported program gives values in {where} that are not finite. Nothing was written.")
    difference, scale = (output - expected).abs().max().item(), expected.abs().max().item()
    tolerance = min(TOLERANCE * max(1.0, scale), SMALL_OUTPUT_TOLERANCE * scale)
    if has_bound and difference > tolerance:
        raise ExportError(
            f"The exported program differs from the model by {difference:.2g} in {where}, but at most "
            f"{tolerance:.2g} is allowed. Nothing was written."
        )
    return difference


@torch.inference_mode()
def clip_seconds(tensor_model: TensorModel, program: Callable) -> dict:
    """The median time of one clip in the program and in the model, in seconds. They run in turns."""
    inputs = example_inputs(tensor_model.model, batch_size=1)
    times: dict[str, list[float]] = {"program": [], "model": []}
    for turn in range(TURNS + 1):
        for name, run in (("program", program), ("model", tensor_model)):
            start = time.perf_counter()
            run(*inputs)
            if turn > 0:  # the first turn warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
