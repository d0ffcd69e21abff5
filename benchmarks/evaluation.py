"""Evaluation of distinct views against evaluation of all published views: `python benchmarks/evaluation.py`.

The published code evaluates 2 segments x 2 crops of a video. If frames are resized to a square, both crops are the
same clip. If a video has at most 16 sampled frames (64 frames at rate 4), both segments are the same clip. The base
model with random weights evaluates the same videos both ways, in turns and in one thread. Both ways read each video
once, but the published code reads it for each view. Fails if the scores of a video differ. Prints a table and writes
`results/evaluation.json`.
"""

import argparse
import tempfile
from pathlib import Path

import datasets
import torch
from loader import write_videos
from measuring import interleaved_seconds, make_parser, medians, print_header, print_row, ratio, record
from transformers import set_seed

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification
from lgi_former.image_processing import processor_for
from lgi_former.training.data.clips import ViewDataset
from lgi_former.training.data.collators import ViewCollator
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.run.arguments import RecipeTrainingArguments
from lgi_former.training.trainer import LGIFormerTrainer


NUM_SEGMENTS, NUM_CROPS = 2, 2
TOLERANCE = 1e-5


class PublishedViews(ViewDataset):
    """All crops of all segments, even if they are the same clip."""

    def __getitem__(self, index: int) -> dict:
        row = self.videos[index]
        segments = self.processor(row["video"], return_tensors="pt")["pixel_values"]
        views = torch.cat([segments] * NUM_CROPS)  # frames are square, so all crops are equal
        weights = torch.full((len(views),), 1 / len(views))
        return {"pixel_values": views, "view_weights": weights, "labels": row["label"], "video": row["video"]}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--videos", type=int, default=2, help="videos of each length")
    parser.add_argument("--layers", type=int, default=LGIFormerConfig().num_hidden_layers)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(arguments.layers, folder)
        results = {
            name: compare(trainer, Path(folder, name), lengths, arguments)
            for name, lengths in {"100 to 120 frames": (100, 120), "30 to 60 frames": (30, 60)}.items()
        }
    columns = ("videos", "distinct views", "published views", "distinct", "published", "published / distinct")
    print_header([*columns, "scores differ by"])
    for name, result in results.items():
        cells = [name, *result["views"].values(), *(f"{seconds:.2f} s" for seconds in result["seconds"].values())]
        print_row([*cells, f"{result['ratio']:.2f}", f"{result['difference']:.0e}"])
    record("evaluation", arguments, results)


def make_trainer(num_layers: int, folder: str) -> LGIFormerTrainer:
    """A trainer of the base model. The weights of its head are so large that the scores of videos differ."""
    set_seed(0)
    config = LGIFormerConfig(num_hidden_layers=num_layers, num_labels=7, classifier_init_scale=10.0)
    return LGIFormerTrainer(
        LGIFormerForVideoClassification(config),
        RecipeTrainingArguments(
            output_dir=folder,
            per_device_eval_batch_size=2,
            use_cpu=True,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
        ),
        data_collator=ViewCollator(),
    )


def compare(trainer: LGIFormerTrainer, folder: Path, lengths: tuple[int, int], arguments: argparse.Namespace) -> dict:
    """Compare both ways on videos of these lengths: views, median seconds, their ratio and the difference of scores.

    Raises:
        ValueError: If the scores of a video differ.
    """
    folder.mkdir()
    videos = write_videos(folder, arguments.videos, lengths)["JPEG frames"]
    corpus = datasets.Dataset.from_dict({"video": [str(video) for video in videos], "label": [0] * len(videos)})
    processor = processor_for(trainer.model.config, sampling_rate=4, num_segments=NUM_SEGMENTS)
    ways = {
        name: kind(corpus, processor, skipped=SkippedVideos(folder, len(videos), max_fraction=0))
        for name, kind in {"distinct": ViewDataset, "published": PublishedViews}.items()
    }
    scores = [torch.from_numpy(trainer.predict(views).predictions).exp() for views in ways.values()]
    difference = (scores[0] - scores[1]).abs().max().item()
    if difference > TOLERANCE:
        raise ValueError(f"The scores differ by {difference}.")
    seconds = interleaved_seconds(
        {name: [lambda views=views: trainer.predict(views)] for name, views in ways.items()}, arguments.rounds
    )
    return {
        "views": {name: sum(len(item["pixel_values"]) for item in views) for name, views in ways.items()},
        "seconds": medians(seconds),
        "ratio": ratio(seconds["published"], seconds["distinct"]),
        "difference": difference,
        "score_spread": scores[0].std(dim=0).max().item(),
    }


if __name__ == "__main__":
    main()
