"""The report of a quickstart: tables, and figures to look at."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..modeling_lgi_former import LGIFormerForPreTraining, RegionTubeMasking
from ..modeling_lgi_former.reconstruction import to_unit_range
from .evaluation_report import CONFUSION_MATRIX_FILE, METRICS_FILE
from .synthetic_faces import LABELS, draw_faces


if TYPE_CHECKING:
    from .quickstart import Outcome

REPORT_FILE = "report.md"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's, for all kinds of colour vision
STYLES = ("-", "--", ":", "-.")


def write_report(
    outcome: "Outcome",
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
    draw_corpus().savefig(output_dir / "corpus.png", dpi=110)
    draw_losses(outcome.histories).savefig(output_dir / "losses.png", dpi=110)
    draw_reconstruction(pretrained, clip).savefig(output_dir / "reconstruction.png", dpi=110)
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
    figure = Figure(figsize=(9, 7.8), layout="constrained")
    for axes, clip, name in zip(figure.subplots(len(LABELS)), clips, LABELS, strict=True):
        axes.imshow(rearrange(clip.numpy(), "t h w c -> h (t w) c"))
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
    return figure


def draw_losses(histories: dict[str, list[dict]]) -> Figure:
    """Loss by step: of pre-training, and of all fine-tunings."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    pretraining, finetuning = figure.subplots(1, 2)
    for index, (name, history) in enumerate(histories.items()):
        axes = finetuning if index else pretraining
        steps, losses = zip(*((entry["step"], entry["loss"]) for entry in history if "loss" in entry), strict=True)
        axes.plot(steps, losses, STYLES[index], color=COLOURS[index], label=name)
    pretraining.set(title="pre-training", xlabel="step", ylabel="mean squared error")
    finetuning.set(title="fine-tuning", xlabel="step", ylabel="cross entropy (labels smoothed)")
    finetuning.legend()
    return figure


def draw_reconstruction(model: LGIFormerForPreTraining, pixel_values: torch.Tensor) -> Figure:
    """The appearance frames of a clip, what the model saw of them, and what it made of it."""
    original, masked, reconstructed = reconstruct(model, pixel_values)
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    rows = {"original": original, "visible": masked, "reconstructed": reconstructed}
    for axes, (name, frames) in zip(figure.subplots(3), rows.items(), strict=True):
        axes.imshow(rearrange(frames.numpy(), "t c h w -> h (t w) c").clip(0, 1))
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
    return figure


@torch.inference_mode()
def reconstruct(
    model: LGIFormerForPreTraining, pixel_values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mask a clip and reconstruct it.

    Args:
        model: With `norm_pix_loss`. As in He et al. (https://arxiv.org/abs/2111.06377), the mean and deviation that
            the target was normalised with are put back from the original.
        pixel_values: float (1, frames, 3, height, width), as the processor makes them.

    Returns:
        The first frames of all tubelets, which are reconstructed as they look and not as what moved: original, with
        grey for what is masked, and reconstructed where it was masked; each float (frames / 2, 3, height, width).
    """
    config, device = model.config, model.device
    mask = RegionTubeMasking(config)(1, generator=torch.Generator().manual_seed(0))
    logits = model.eval()(pixel_values=pixel_values.to(device), bool_masked_pos=mask.to(device)).logits.float().cpu()
    frames = to_unit_range(pixel_values)[0]
    patch = config.patch_size
    sizes = {"pt": config.tubelet_size, "ph": patch, "pw": patch}
    tubelets = rearrange(frames, "(t pt) c (h ph) (w pw) -> (t h w) (pt ph pw) c", **sizes)
    centre, spread = tubelets.mean(1, keepdim=True), tubelets.std(1, keepdim=True)
    predicted = rearrange(logits[0], "n (p c) -> n p c", c=3) * spread[mask[0]] + centre[mask[0]]

    def first_frames(filling):
        filled = tubelets.clone()
        filled[mask[0]] = filling
        _, rows, columns = config.token_grid
        whole = rearrange(filled, "(t h w) (pt ph pw) c -> t pt c (h ph) (w pw)", h=rows, w=columns, **sizes)
        return whole[:, 0]

    return frames[:: config.tubelet_size], first_frames(torch.full_like(predicted, 0.5)), first_frames(predicted)


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

These are drawings, and the figures say that the method learns. They say nothing about how well it reads real faces.

## The corpus

![one person of each class, a frame a column](corpus.png)

## Confusion of the pre-trained model

![confusion matrix](evaluation/pre-trained/{CONFUSION_MATRIX_FILE})

## Losses

![losses by step](losses.png)

## Reconstruction of a test video

![original, visible and reconstructed frames](reconstruction.png)

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
