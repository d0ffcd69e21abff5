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
from rich.table import Table
from transformers import AutoVideoProcessor, PreTrainedModel

from ...figures import draw_reconstruction, reconstruct
from ...figures.frames import Row, draw_rows
from ...figures.losses import plot_losses
from ...figures.style import WIDTH, colour_of, save_figure
from ...files import whole_file
from ...messages import console
from ...modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from ..evaluation.report import CONFUSION_MATRIX_FILE, METRICS_FILE
from .drawn_faces import LABELS, draw_faces
from .outcome import QUICK_PLAN, Outcome


REPORT_FILE = "report.md"
PRETRAINED, FROM_SCRATCH = "pre-trained", "from scratch"


def write_report(outcome: Outcome, output_dir: Path):
    """Write `report.md` with its figures, and `metrics.json`.

    Args:
        outcome: Measurements of the finished stages.
        output_dir: Folder of the quickstart, with `corpus`, `pretrained`, `model` and `evaluation`.
    """
    video = output_dir / "corpus" / "test" / "00003.mp4"
    processor = AutoVideoProcessor.from_pretrained(output_dir / "model")
    clip = processor(str(video), return_tensors="pt")["pixel_values"]
    autoencoder = LGIFormerForPreTraining.from_pretrained(output_dir / "pretrained")
    save_figure(draw_learning_curves(outcome.histories, outcome.figures), output_dir / "learning_curves.png")
    save_figure(draw_corpus(), output_dir / "corpus.png")
    save_figure(draw_training(outcome.histories), output_dir / "losses.png")
    save_figure(draw_reconstruction(reconstruct(autoencoder, clip)), output_dir / "reconstruction.png")
    scores = predict(LGIFormerForVideoClassification.from_pretrained(output_dir / "model"), clip)
    text = _text(outcome, video.relative_to(output_dir), scores)
    with whole_file(output_dir / REPORT_FILE) as file:
        file.write_text(text, encoding="utf-8")
    metrics = {"seed": outcome.seed, "plan": asdict(outcome.plan), "seconds": outcome.seconds}
    metrics |= {"figures": outcome.figures}
    with whole_file(output_dir / METRICS_FILE) as file:
        file.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def summary(outcome: Outcome) -> str:
    """The result in one sentence."""
    pretrained, scratch = (outcome.figures[name]["uar"] for name in (PRETRAINED, FROM_SCRATCH))
    quick = "In this quick run, which is too short to learn much, the" if outcome.plan == QUICK_PLAN else "The"
    return (
        f"{quick} model that was pre-trained on faces without labels recognises {pretrained:.0%} of the expressions "
        f"of people it has never seen; the same model without pre-training recognises {scratch:.0%} (guessing: "
        f"{1 / len(LABELS):.0%})."
    )


def table_of_results(figures: dict[str, dict]) -> str:
    """Markdown table of the UAR, WAR and UAR over the time-order classes of each classifier, in per cent."""
    rows = ["| | UAR | WAR | UAR of the time-order classes |", "| --- | ---: | ---: | ---: |"]
    for name, row in figures.items():
        rows.append(f"| {name} | {row['uar']:.1%} | {row['war']:.1%} | {row['time_order_uar']:.1%} |")
    return "\n".join(rows)


def print_results(figures: dict[str, dict]):
    """Print the numbers of `table_of_results`."""
    table = Table("", "UAR", "WAR", "UAR of the time-order classes", box=box.SIMPLE)
    for name, row in figures.items():
        table.add_row(name, *(f"{row[figure]:.1%}" for figure in ("uar", "war", "time_order_uar")))
    console().print(table)


def draw_corpus() -> Figure:
    """Draw a person of each class, a frame a column."""
    clips = draw_faces(range(len(LABELS)), torch.Generator().manual_seed(0))
    rows = [
        Row(textwrap.fill(name, 16), rearrange(clip, "t h w c -> t c h w") / 255)
        for name, clip in zip(LABELS, clips, strict=True)
    ]
    return draw_rows(rows)


def draw_learning_curves(histories: dict[str, list[dict]], figures: dict[str, dict]) -> Figure:
    """Draw the share of recognised expressions by step, with a panel for each classifier."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    panels = figure.subplots(1, len(figures), sharey=True)
    titles = {PRETRAINED: "With pre-training", FROM_SCRATCH: "Without pre-training (from scratch)"}
    for index, (axes, (name, row)) in enumerate(zip(panels, figures.items(), strict=True)):
        points = {entry["step"]: 100 * entry["eval_uar"] for entry in histories[name] if "eval_uar" in entry}
        end, near = (max(points), 100 * row["uar"]), {"textcoords": "offset points", "ha": "right"}
        axes.axhline(100 / len(LABELS), color="grey", linestyle="--", linewidth=1)
        axes.annotate("guessing", (max(points), 100 / len(LABELS)), (4, -14), **near, color="dimgrey")
        axes.plot(points.keys(), points.values(), color=colour_of(index), marker="o", linewidth=2, clip_on=False)
        axes.annotate(f"{row['uar']:.0%}", end, (4, 8), **near, weight="bold", size=14)
        axes.set(title=titles[name], xlabel="steps of training with labels", ylim=(0, 108), yticks=range(0, 101, 20))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("recognised expressions (%)")
    figure.suptitle("People that the models have never seen")
    return figure


def draw_training(histories: dict[str, list[dict]]) -> Figure:
    """Draw the losses of pre-training, which is the first history, and of all fine-tunings."""
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


def _text(outcome: Outcome, video: Path, scores: dict[str, float]) -> str:
    plan = outcome.plan
    stages = "\n".join(f"| {stage} | {seconds:.0f} s |" for stage, seconds in outcome.seconds.items())
    answer = "\n".join(f"| {name} | {score:.3f} |" for name, score in list(scores.items())[:3])
    return f"""# Quickstart: MAE-DFER on drawn faces

{summary(outcome)}

![Recognised expressions by training step, with and without pre-training](learning_curves.png)

The faces are drawings. The figures show that the method learns, not how well it recognises real expressions.

## Results

{plan.num_tested} videos of people in no training video, {len(LABELS)} classes:

{table_of_results(outcome.figures)}

- *pre-trained*: {plan.pretraining_steps} steps of masked autoencoding on {plan.num_unlabelled + plan.num_labelled}
  videos without labels, then {plan.finetuning_steps} steps of fine-tuning on {plan.num_labelled} of them with labels.
- *from scratch*: the same model, labels, steps and learning rate, without pre-training. It starts from the same
  initial weights as pre-training. Its learning rate is the same in all layers, because no layer has learnt anything.
- *time-order classes* show the same two expressions as another class, in the other order. A single frame cannot tell
  them apart.

UAR is the mean of the recall of the classes. WAR is the share of correct predictions.
The test videos do not influence the training, and no model is selected with them.

## The corpus

![One person of each class, a frame a column](corpus.png)

## Confusion of the pre-trained model

![Confusion matrix](evaluation/{PRETRAINED}/{CONFUSION_MATRIX_FILE})

## Losses

![Losses by step](losses.png)

## Reconstruction of a test video

![Original, visible, target, predicted and reconstructed frames](reconstruction.png)

## Prediction on one video

`{video.as_posix()}`, with the model in `model`:

| class | probability |
| --- | ---: |
{answer}

The same from the command line, in the folder of this report:

```sh
lgi-former predict {video.as_posix()} --model model --no_crop_faces --num_segments 1
```

## How it was made

Seed {outcome.seed}. Time of the stages:

| stage | time |
| --- | ---: |
{stages}
"""
