"""Compares variants of the method on the drawn faces of the quickstart: `python benchmarks/ablation.py`.

Each variant is pre-trained and fine-tuned on the same videos, with the same steps and the quickstart's recipe:

- *appearance + motion*: LGI-Former as published, but each token is decoded at its own position.
- *appearance only*: the target of odd frames is the frame, not its difference to the frame before.
- *region positions*: the decoder gives visible tokens the positions of the published code.
- *VideoMAE*: a plain Transformer of equal depth and width, with its own decoder and target.

Prints a table and writes `results/ablation.json`.
"""

import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from measuring import make_parser, print_header, print_row, record
from transformers import AutoModelForVideoClassification, VideoMAEConfig, VideoMAEForPreTraining, set_seed

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining
from lgi_former.image_processing import processor_for
from lgi_former.training.data.clips import ViewDataset
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.evaluation.evaluate_views import evaluate_views
from lgi_former.training.quickstart import recipe as quickstart
from lgi_former.training.quickstart.corpus import draw_parts
from lgi_former.training.quickstart.decoded_clips import DecodedClips
from lgi_former.training.quickstart.outcome import Plan
from lgi_former.training.quickstart.run import time_order_uar


def lgi_former(**fields):
    """LGI-Former's masked autoencoder with these fields of the configuration."""
    config = LGIFormerConfig(**quickstart.CONFIG, **fields, attn_implementation=quickstart.ATTENTION)
    return LGIFormerForPreTraining(config)


def videomae():
    """VideoMAE's masked autoencoder of the same size."""
    fields = {name: value for name, value in quickstart.CONFIG.items() if name not in ("region_size", "mask_ratio")}
    return VideoMAEForPreTraining(VideoMAEConfig(**fields, attn_implementation=quickstart.ATTENTION))


VARIANTS = {
    "appearance + motion": lgi_former,
    "appearance only": lambda: lgi_former(motion_target=False),
    "region positions": lambda: lgi_former(decoder_position_order="region"),
    "VideoMAE": videomae,
}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pretraining_steps", type=int, default=500)
    parser.add_argument("--finetuning_steps", type=int, default=250)
    arguments = parser.parse_args()
    plan = Plan(1600, 700, 700, arguments.pretraining_steps, arguments.finetuning_steps)
    results = {name: [] for name in VARIANTS}
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            for name, figures in run(plan, seed, Path(folder)):
                results[name].append(figures)
                print(f"seed {seed}, {name}: {figures}", flush=True)
    print_table(results)
    record("ablation", arguments, {"plan": asdict(plan), "variants": results})


def run(plan: Plan, seed: int, folder: Path):
    """Yield the name and the figures of each variant."""
    parts = draw_parts(plan, folder / "corpus", seed)
    unlabelled, labelled = (
        DecodedClips(parts[part], quickstart.IMAGE_SIZE, quickstart.CROPS, seed) for part in ("unlabelled", "labelled")
    )
    skipped = SkippedVideos(folder, plan.num_tested, max_fraction=0)
    for name, make_model in VARIANTS.items():
        set_seed(seed)
        pretraining = quickstart.pretraining_run(
            make_model(), unlabelled, plan.pretraining_steps, seed, folder / name, save_strategy="no"
        )
        pretraining.train()
        pretraining.save_model()
        set_seed(seed)
        # No variant uses stochastic depth, because VideoMAE does not have it.
        model = AutoModelForVideoClassification.from_pretrained(
            folder / name, **quickstart.LABEL_FIELDS, attn_implementation=quickstart.ATTENTION
        )
        finetuning = quickstart.finetuning_run(
            model, labelled, plan.finetuning_steps, seed, folder / name, save_strategy="no"
        )
        finetuning.train()
        views = ViewDataset(parts["test"], processor_for(model.config, sampling_rate=1), skipped=skipped)
        figures = evaluate_views(finetuning, views, folder / name / "evaluation", quickstart.LABEL_NAMES)
        seconds = [trainer.state.log_history[-1]["train_runtime"] for trainer in (pretraining, finetuning)]
        yield (
            name,
            {
                "uar": figures["uar"],
                "time_order_uar": time_order_uar(figures),
                "pretraining_seconds": seconds[0],
                "finetuning_seconds": seconds[1],
                "encoder_parameters": model.base_model.num_parameters(),
            },
        )


def print_table(results: dict[str, list[dict]]):
    """Print means over the seeds, with the lowest and highest UAR, in Markdown."""
    columns = ("variant", "UAR", "lowest", "highest", "UAR of time order", "pre-training", "fine-tuning", "encoder")
    print_header(columns)
    for name, runs in results.items():
        uars = [run["uar"] for run in runs]
        mean = {key: np.mean([run[key] for run in runs]) for key in runs[0]}
        shares = (mean["uar"], min(uars), max(uars), mean["time_order_uar"])
        seconds = (mean["pretraining_seconds"], mean["finetuning_seconds"])
        cells = [name, *(f"{share:.1%}" for share in shares), *(f"{second:.0f} s" for second in seconds)]
        print_row([*cells, f"{mean['encoder_parameters'] / 1e6:.2f} M"])


if __name__ == "__main__":
    main()
