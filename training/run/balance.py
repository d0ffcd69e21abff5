"""Class weights and the balanced order of `finetune`."""

from collections.abc import Sequence

import datasets
import numpy as np
from accelerate import PartialState
from rich import box
from rich.table import Table
from rich.text import Text
from transformers.utils import logging

from ...messages import console, is_quiet
from ..data.class_balance import balancing_weights, label_shares, positive_weights
from ..data.label_values import is_frame_level
from ..data.shard_order import BalancedOrder
from ..data.sharded_videos import ShardedVideos
from .arguments import LabelledDataArguments, RecipeTrainingArguments
from .run_data import SHARD_SHUFFLE_BUFFER, TrainingVideos, shuffle_buffer_of


logger = logging.get_logger(__name__)


def class_weights_of(
    videos: TrainingVideos, data: LabelledDataArguments, label_names: Sequence[str], task: str
) -> np.ndarray | None:
    """Compute the weights of `--class_weight`, float (classes,), and print them with the sizes of the classes.

    Returns None without this option.

    Raises:
        ValueError: If the videos are a stream, or have numbers instead of classes.
    """
    if data.class_weight is None:
        return None
    _refuse_stream(videos, f"class_weight={data.class_weight}")
    if task == "regression":
        raise ValueError(f"class_weight={data.class_weight} needs classes, but the labels are numbers. Leave it out.")
    shares = label_shares(videos, len(label_names), task)
    counts = shares.sum(axis=0, dtype=np.float64)
    if task == "multi_label":
        weights = positive_weights(counts, len(shares), data.class_weight)
    else:
        weights = balancing_weights(counts, data.class_weight)
    if PartialState().is_main_process and not is_quiet():
        table = Table("class", box=box.SIMPLE)
        table.add_column("videos" if len(shares) == len(videos) else "frames", justify="right")
        table.add_column(f"{data.class_weight} weight", justify="right")
        for name, count, weight in zip(label_names, counts, weights, strict=True):
            table.add_row(Text(name), f"{count:g}", f"{weight:.3g}")
        console().print(table)
    return weights


def order_of(
    videos: TrainingVideos,
    data: LabelledDataArguments,
    label_names: Sequence[str],
    task: str,
    training: RecipeTrainingArguments,
) -> BalancedOrder | None:
    """Make the order of `--sampler balanced`, by the class with most votes; None for other samplers.

    Raises:
        ValueError: If the videos are a stream, or do not have one class each.
    """
    if data.sampler != "balanced":
        return None
    _refuse_stream(videos, "sampler=balanced")
    if data.class_weight is not None:
        logger.warning(
            f"sampler=balanced and class_weight={data.class_weight} correct the imbalance twice. Rare classes will be "
            "predicted too often. Leave one of the two out."
        )
    if data.mix:
        raise ValueError("sampler=balanced and mix both say how often videos are drawn. Leave one of the two out.")
    if task not in ("single_label", "distribution") or is_frame_level(videos.features["label"], task):
        raise ValueError("sampler=balanced needs one class for each video, but the labels are others. Leave it out.")
    labels = label_shares(videos, len(label_names), task).argmax(axis=1)
    seed = training.seed if training.data_seed is None else training.data_seed
    if not isinstance(videos, ShardedVideos):
        return BalancedOrder(labels, seed)
    return BalancedOrder(labels, seed, shuffle_buffer_of(data, SHARD_SHUFFLE_BUFFER), videos.counts)


def _refuse_stream(videos: TrainingVideos, option: str):
    if isinstance(videos, datasets.IterableDataset):
        raise ValueError(f"{option} needs the classes of all videos, which a stream does not list. Give a list.")
