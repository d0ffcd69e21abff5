"""What decoder masking costs or gains on the drawn faces of the quickstart: `python benchmarks/decoder_masking.py`.

For each seed, a small model is pre-trained in three ways, and each is fine-tuned with the same steps:

- *all*: the decoder reconstructs all masked tokens.
- *half, equal steps*: it reconstructs half of them, in as many steps.
- *half, equal minutes*: the same in as many minutes. The number of steps follows from the times of a step, which are
  measured first, in turns.

Prints a Markdown table, draws the losses to `results/decoder_masking.png` and writes `results/decoder_masking.json`.
With `--cache`, finished runs are not repeated and interrupted runs are resumed. `--seeds` and `--only` select runs.
"""

import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import datasets
import matplotlib.pyplot as plt
import numpy as np
import torch
from ablation import lgi_former
from measuring import RESULTS, interleaved_seconds, make_parser, medians, print_header, print_row, record
from training_choices import decoded, evaluated, in_new_process, trainer_of
from transformers import set_seed

from lgi_former import LGIFormerForPreTraining, RegionTubeMasking
from lgi_former.training.data.collators import PretrainingCollator
from lgi_former.training.quickstart import recipe as quickstart
from lgi_former.training.quickstart.corpus import draw_parts
from lgi_former.training.quickstart.outcome import Plan


RATIOS = {"all": 0.0, "half, equal steps": 0.5, "half, equal minutes": 0.5}
FIGURES = {"steps": "steps", "test_loss": "loss of test clips", "uar": "UAR"}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=RATIOS, default=list(RATIOS), help="ways of pre-training to run")
    parser.add_argument("--pretraining_steps", type=int, default=300)
    parser.add_argument("--finetuning_steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of timing (default: %(default)s)")
    parser.add_argument("--cache", help="folder of the faces and finished runs (default: a temporary one)")
    arguments = parser.parse_args()
    plan = Plan(704, 896, 280, arguments.pretraining_steps, arguments.finetuning_steps)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.cache or temporary)
        seconds = once(folder / "step_seconds.json", step_seconds, arguments.rounds)
        print(f"Processor seconds of a step: {seconds}", flush=True)
        runs = {name: [] for name in arguments.only}
        for seed, name in itertools.product(arguments.seeds, arguments.only):
            steps = plan.pretraining_steps
            if name == "half, equal minutes":
                steps = round(steps * seconds["all"] / seconds["half"])
            of_seed = folder / f"seed_{seed}_of_{plan.pretraining_steps}_steps"
            way = replace(plan, pretraining_steps=steps)
            runs[name].append(once(of_seed / f"{name}.json", in_new_process, run, name, way, seed, of_seed))
            print(f"seed {seed}, {name}: {runs[name][-1]['uar']}", flush=True)
    print_table(runs)
    draw(runs, seconds).savefig(RESULTS / "decoder_masking.png", dpi=100)
    record("decoder_masking", arguments, {"plan": asdict(plan), "step_seconds": seconds, "runs": runs})


def once(file: Path, function: Callable, *arguments) -> dict:
    """The result of a function, which is read from the file if it exists."""
    if not file.exists():
        result = function(*arguments)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def step_seconds(rounds: int) -> dict[str, float]:
    """Median processor seconds of a step of pre-training with both ratios, in turns. Masks are drawn in each step."""
    ways = {name: [training_step(ratio)] for name, ratio in (("all", 0.0), ("half", 0.5))}
    return medians(interleaved_seconds(ways, rounds))


def training_step(decoder_mask_ratio: float) -> Callable:
    """A step of pre-training that can be repeated, with random clips."""
    model = lgi_former(decoder_mask_ratio=decoder_mask_ratio).train()
    collate = PretrainingCollator(RegionTubeMasking(model.config))
    clips = torch.randn(quickstart.BATCH_SIZE, quickstart.NUM_FRAMES, 3, *2 * (quickstart.IMAGE_SIZE,))
    items = [{"pixel_values": clip, "seed": index, "video": ""} for index, clip in enumerate(clips)]
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def take():
        batch = collate(items)
        del batch["videos"]
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return take


def run(name: str, plan: Plan, seed: int, folder: Path) -> dict:
    """Pre-train and fine-tune. Returns the figures and the losses of pre-training."""
    parts = draw_parts(plan, folder / "corpus", seed)
    videos = datasets.concatenate_datasets([parts["unlabelled"], parts["labelled"]])
    set_seed(seed)
    model, output = lgi_former(decoder_mask_ratio=RATIOS[name]), folder / name
    trainer = quickstart.pretraining_run(
        model, decoded(videos, seed), plan.pretraining_steps, seed, output, save_steps=50, logging_steps=10
    )
    trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint)
    trainer.save_model()
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    classifier = quickstart.pretrained_classifier(output, seed)
    finetuning = trainer_of(classifier, decoded(parts["labelled"], seed), plan, seed, output)
    figures = evaluated(finetuning, parts["test"], output)
    return {
        "steps": plan.pretraining_steps,
        "test_loss": loss_of_all_masked(model, decoded(parts["test"], seed).clips),
        "uar": figures["uar"],
        "losses": losses,
    }


@torch.inference_mode()
def loss_of_all_masked(model: LGIFormerForPreTraining, clips: torch.Tensor) -> float:
    """Loss of clips of other people, over all masked tokens, on the same masks for each model.

    `clips` is uint8 (clips, frames, 3, height, width).
    """
    generator = torch.Generator().manual_seed(0)
    pixel_values = quickstart.CROPS(clips, torch.rand(len(clips), 5, generator=generator))
    masks = RegionTubeMasking(model.config)(len(clips), generator=generator)
    return model.eval()(pixel_values, masks).loss.item()


def print_table(runs: dict[str, list[dict]]):
    """Print means over the seeds, and the standard deviation (n - 1) of UAR, in Markdown."""
    print_header(["decoder", *FIGURES.values(), "standard deviation of UAR", "UAR of each seed"])
    for name, of_seeds in runs.items():
        means = [f"{np.mean([figures[figure] for figures in of_seeds]):.4g}" for figure in FIGURES]
        uars = [figures["uar"] for figures in of_seeds]
        deviation = np.std(uars, ddof=1) if len(uars) > 1 else float("nan")
        print_row([name, *means, f"{deviation:.3g}", ", ".join(f"{uar:.3f}" for uar in uars)])


def draw(runs: dict[str, list[dict]], seconds: dict[str, float]) -> plt.Figure:
    """Training losses by steps and by time: a thin curve for each seed, a thick one for their mean."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    units = (lambda ratio: 1, lambda ratio: seconds["half" if ratio else "all"])
    for panel, unit, label in zip(panels, units, ("steps", "processor seconds of steps"), strict=True):
        for number, (name, of_seeds) in enumerate(runs.items()):
            steps = unit(RATIOS[name]) * np.array(of_seeds[0]["losses"])[:, 0]
            losses = np.array([figures["losses"] for figures in of_seeds])[:, :, 1]
            panel.plot(steps, losses.T, color=f"C{number}", linewidth=0.5, alpha=0.5)
            panel.plot(steps, losses.mean(axis=0), color=f"C{number}", label=name)
        panel.set(xlabel=label)
        panel.grid(alpha=0.3)
    panels[0].set(ylabel="training loss of pre-training", yscale="log")
    panels[0].legend()
    return figure


if __name__ == "__main__":
    main()
