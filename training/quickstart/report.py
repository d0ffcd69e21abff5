"""The report of a quickstart: tables, and figures to look at."""

import json
import textwrap
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ...figures import draw_reconstruction, reconstruct
from ...figures.frames import Row, draw_rows
from ...figures.losses import plot_losses
from ...figures.style import WIDTH, save_figure
from ...modeling_lgi_former import LGIFormerForPreTraining
from ..evaluation.report import CONFUSION_MATRIX_FILE, METRICS_FILE
from .drawn_faces import LABELS, draw_faces
from .outcome import Outcome


REPORT_FILE = "report.md"


def write_report(
    outcome: Outcome,
    output_dir: str | Path,
    pretrained: LGIFormerForPreTraining,
    classifier: PreTrainedModel,
    processor: BaseVideoProcessor,
):
    """Write `report.md` with its figures, and `metrics.json`.

    Args:
        outcome: What was measured.
        output_dir: The quickstart's folder, with `corpus` and `evaluation`.
        pretrained: The masked autoencoder, for the reconstructions.
        classifier: For the prediction of one clip.
        processor: Theirs.
    """
    output_dir = Path(output_dir)
    video = output_dir / "corpus" / "test" / "00003.mp4"
    clip = processor(str(video), return_tensors="pt")["pixel_values"]
    save_figure(draw_corpus(), output_dir / "corpus.png")
    save_figure(draw_training(outcome.histories), output_dir / "losses.png")
    save_figure(draw_reconstruction(reconstruct(pretrained, clip)), output_dir / "reconstruction.png")
    scores = predict(classifier, clip)
    text = _text(outcome, video.relative_to(output_dir), scores)
    (output_dir / REPORT_FILE).write_text(text, encoding="utf-8")
    metrics = {"seed": outcome.seed, "plan": asdict(outcome.plan), "seconds": outcome.seconds}
    metrics |= {"figures": outcome.figures}
    (output_dir / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def table_of_results(figures: dict[str, dict]) -> str:
    """Markdown table of each classifier's UAR, WAR and UAR over the classes of time order, in per cent."""
    rows = ["| | UAR | WAR | UAR of the time-order classes |", "| --- | ---: | ---: | ---: |"]
    for name, row in figures.items():
        rows.append(f"| {name} | {row['uar']:.1%} | {row['war']:.1%} | {row['time_order_uar']:.1%} |")
    return "\n".join(rows)


def print_results(figures: dict[str, dict]):
    """Print what `table_of_results` says."""
    table = Table("", "UAR", "WAR", "UAR of the time-order classes", box=box.SIMPLE)
    for name, row in figures.items():
        table.add_row(name, *(f"{row[figure]:.1%}" for figure in ("uar", "war", "time_order_uar")))
    Console(highlight=False).print(table)


def draw_corpus() -> Figure:
    """A person of each class, a frame a column."""
    clips = draw_faces(range(len(LABELS)), torch.Generator().manual_seed(0))
    rows = [
        Row(textwrap.fill(name, 16), rearrange(clip, "t h w c -> t c h w") / 255)
        for name, clip in zip(LABELS, clips, strict=True)
    ]
    return draw_rows(rows)


def draw_training(histories: dict[str, list[dict]]) -> Figure:
    """Loss by step: of pre-training, which is the first, and of all fine-tunings."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    pretraining, finetuning = figure.subplots(1, 2)
    (name, history), *others = histories.items()
    plot_losses(pretraining, {name: history})
    pretraining.get_legend().remove()
    plot_losses(finetuning, dict(others))
    pretraining.set(title="pre-training", ylabel="mean squared error")
    finetuning.set(title="fine-tuning", ylabel="cross entropy (labels smoothed)")
    return figure


@torch.inference_mode()
def predict(classifier: PreTrainedModel, pixel_values: torch.Tensor) -> dict[str, float]:
    """The classes' probabilities for one clip, highest first."""
    logits = classifier.eval()(pixel_values=pixel_values.to(classifier.device)).logits
    probabilities = logits[0].float().softmax(-1).tolist()
    ranking = np.argsort(probabilities)[::-1].tolist()
    return {classifier.config.id2label[index]: probabilities[index] for index in ranking}


def _text(outcome: "Outcome", video: Path, scores: dict[str, float]) -> str:
    plan = outcome.plan
    stages = "\n".join(f"| {stage} | {seconds:.0f} s |" for stage, seconds in outcome.seconds.items())
    answer = "\n".join(f"| {name} | {score:.3f} |" for name, score in list(scores.items())[:3])
    return f"""# Quickstart: MAE-DFER on drawn faces

## Results

On people that no training video shows ({plan.num_tested} videos, {len(LABELS)} classes, chance {1 / len(LABELS):.1%}):

{table_of_results(outcome.figures)}

- *pre-trained*: masked autoencoding on {plan.num_unlabelled} videos without labels ({plan.pretraining_steps} steps),
  then fine-tuning on {plan.num_labelled} videos with labels ({plan.finetuning_steps} steps).
- *from scratch*: the same model, labels, steps and learning rate, from the weights that pre-training began with, and
  without the layer-wise decay of the learning rate, which would hold back layers that have learnt nothing.
- *single frames*: as pre-trained, but every clip is one of its frames; probabilities are averaged over all frames.
  Classes of time order show the same two expressions as another class, in the other order, so that single
  frames do not tell them apart.

These are drawings: the figures tell whether the method learns, not how well it reads real faces. A pre-trained model
that is near chance had too few steps; give it more time (`--minutes`).

## The corpus

![one person of each class, a frame a column](corpus.png)

## Confusion of the pre-trained model

![confusion matrix](evaluation/pre-trained/{CONFUSION_MATRIX_FILE})

## Losses

![losses by step](losses.png)

## Reconstruction of a test video

![original, visible, target, predicted and reconstructed frames](reconstruction.png)

## Prediction on one video

`{video}`, with the model in `model`:

| class | probability |
| --- | ---: |
{answer}

The same from the command line, in the folder of this report:

```sh
lgi-former predict {video} --model model --no_crop_faces --num_segments 1
```

## How it was made

Seed {outcome.seed}. Time of the stages:

| stage | time |
| --- | ---: |
{stages}
"""
