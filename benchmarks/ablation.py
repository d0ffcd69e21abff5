"""What of the method helps, on the drawn faces of the quickstart: `python -m benchmarks.ablation` in the root folder.

Every variant is pre-trained and fine-tuned on the same videos, for the same steps, by the quickstart's recipe:

- *appearance + motion*: LGI-Former as published, each token decoded at its own position.
- *appearance only*: odd frames are reconstructed as they look, not as what moved.
- *region positions*: the decoder gives visible tokens the positions that the published code gives them.
- *VideoMAE*: a plain Transformer of equal depth and width, with its own decoder and target.
"""

import argparse
import json
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForVideoClassification, VideoMAEConfig, VideoMAEForPreTraining, set_seed

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining
from lgi_former.training import quickstart
from lgi_former.training.clips import ViewDataset
from lgi_former.training.decoded_clips import DecodedClips
from lgi_former.training.evaluation import evaluate_views
from lgi_former.training.models import make_processor
from lgi_former.training.quickstart import Plan
from lgi_former.training.skipping import SkippedVideos
from lgi_former.training.synthetic_faces import Part


def lgi_former(**fields):
    """A function from a seed to a masked autoencoder with these fields of the configuration."""
    return lambda: LGIFormerForPreTraining(
        LGIFormerConfig(**quickstart.CONFIG, **fields, attn_implementation=quickstart.ATTENTION)
    )


def videomae():
    """The plain Transformer."""
    shared = set(quickstart.CONFIG) - {"region_size", "mask_ratio"}
    fields = {name: quickstart.CONFIG[name] for name in shared}
    return VideoMAEForPreTraining(VideoMAEConfig(**fields, attn_implementation=quickstart.ATTENTION))


VARIANTS = {
    "appearance + motion": lgi_former(),
    "appearance only": lgi_former(motion_target=False),
    "region positions": lgi_former(decoder_position_order="region"),
    "VideoMAE": videomae,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pretraining_steps", type=int, default=600)
    parser.add_argument("--finetuning_steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "ablation.json")
    arguments = parser.parse_args()
    plan = Plan(2800, 1400, 700, arguments.pretraining_steps, arguments.finetuning_steps)
    results = {name: [] for name in VARIANTS}
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            for name, figures in run(plan, seed, Path(folder)):
                results[name].append(figures)
                print(f"seed {seed}, {name}: {figures}", flush=True)
    record = {"seeds": arguments.seeds, "plan": asdict(plan), "machine": platform.processor(), "results": results}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print_table(results)


def run(plan: Plan, seed: int, folder: Path):
    """Yields each variant's name and figures."""
    sizes = {"unlabelled": plan.num_unlabelled, "labelled": plan.num_labelled, "test": plan.num_tested}
    parts = {
        name: quickstart.draw_part(Part(folder / "corpus" / name, size, seed=len(sizes) * seed + index))
        for index, (name, size) in enumerate(sizes.items())
    }
    unlabelled = DecodedClips(parts["unlabelled"], quickstart.PRETRAINING_TRANSFORM, seed)
    labelled = DecodedClips(parts["labelled"], quickstart.FINETUNING_TRANSFORM, seed)
    for name, make_model in VARIANTS.items():
        set_seed(seed)
        trainer = quickstart.pretrain(make_model(), unlabelled, plan.pretraining_steps, seed, folder / name)
        trainer.save_model()
        set_seed(seed)
        # VideoMAE has no stochastic depth, so none has.
        classifier = {key: value for key, value in quickstart.CLASSIFIER.items() if key != "drop_path_rate"}
        model = AutoModelForVideoClassification.from_pretrained(
            folder / name, **classifier, attn_implementation=quickstart.ATTENTION
        )
        tuned = quickstart.finetune(model, labelled, plan.finetuning_steps, seed, folder / name)
        views = ViewDataset(
            parts["test"],
            make_processor(model.config, sampling_rate=1),
            skipped=SkippedVideos(folder, plan.num_tested, max_fraction=0),
        )
        figures = evaluate_views(tuned, views, folder / name / "evaluation", quickstart.LABEL_NAMES)
        yield (
            name,
            {
                "uar": figures["uar"],
                "time_order_uar": quickstart.time_order_uar(figures),
                "pretraining_seconds": trainer.state.log_history[-1]["train_runtime"],
                "finetuning_seconds": tuned.state.log_history[-1]["train_runtime"],
            },
        )


def print_table(results: dict[str, list[dict]]):
    """Means over the seeds, and the lowest and highest UAR."""
    table = Table("variant", "UAR", "lowest", "highest", "UAR of time order", "pre-training", "fine-tuning")
    for name, runs in results.items():
        uars = [run["uar"] for run in runs]
        means = {key: np.mean([run[key] for run in runs]) for key in runs[0]}
        table.add_row(
            name,
            *(f"{value:.3f}" for value in (means["uar"], min(uars), max(uars), means["time_order_uar"])),
            *(f"{means[key]:.0f} s" for key in ("pretraining_seconds", "finetuning_seconds")),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
