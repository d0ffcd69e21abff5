"""Exported programs against the model: `taskset -c 0 python benchmarks/export.py --threads 1`.

*Speed*: the base classifier with random weights classifies a clip of 16 x 160 x 160. Every format, the model itself
and VideoMAE-base take turns in one process. The table has processor seconds, and file sizes.

*Accuracy*, with `--models`: trained models of the quickstart's drawn faces (`outputs/quickstart/model`) classify newly
drawn faces, in float32 and in int8. The table has the difference of the unweighted average recall (UAR) with its 95 %
confidence interval, by a bootstrap over the faces of each class. Both programs see the same faces.

Writes `results/export.json` or `results/export_accuracy.json`. `--cache` saves the exported programs for the next run.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from measuring import interleaved_seconds, make_parser, medians, parse_timing, print_header, print_row, ratio, record
from model_speed import classifiers, classifying
from sklearn.metrics import recall_score

from lgi_former import ExportedModel, LGIFormerForVideoClassification, export_model
from lgi_former.image_processing import processor_for
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces


PROGRAMS = {
    "ONNX Runtime, float32": {"format": "onnx"},
    "ONNX Runtime, int8": {"format": "onnx", "int8": True},
    "OpenVINO, float32": {"format": "openvino"},
    "torch.export, float32": {"format": "torch"},
}
REFERENCE = "the model (PyTorch, eager)"
SEED = 987_654  # of people that no training has seen
DRAWN_AT_ONCE = 28
RESAMPLES = 10_000


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", metavar="FOLDER", help="trained models whose accuracy is measured")
    parser.add_argument("--faces", type=int, default=1400, help="drawn faces to classify (default: %(default)s)")
    parser.add_argument("--cache", help="folder of the exported programs (default: a temporary one)")
    arguments = parse_timing(parser, rounds=9)
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(arguments.cache or temporary)
        if arguments.models:
            record("export_accuracy", arguments, measure_accuracy(arguments.models, arguments.faces, cache))
        else:
            record("export", arguments, measure_speed(arguments.rounds, cache))


def measure_speed(rounds: int, cache: Path) -> dict[str, dict]:
    """Time and size of every program of the base model. Prints a table."""
    torch.manual_seed(0)
    model, videomae = classifiers(classifier_init_scale=1.0)
    processor = processor_for(model.config, sampling_rate=4)
    folders = {name: exported(model, cache / name, processor, **options) for name, options in PROGRAMS.items()}
    programs = {name: ExportedModel.from_pretrained(folder) for name, folder in folders.items()}
    clip = torch.randn(1, 16, 3, 160, 160)
    scores = score_of(model.eval(), clip)
    ways = {name: [lambda program=program: program(clip)] for name, program in programs.items()}
    ways |= {REFERENCE: [classifying(model, clip)], "VideoMAE-base (PyTorch, eager)": [classifying(videomae, clip)]}
    seconds = interleaved_seconds(ways, rounds)
    results = {
        name: {
            "seconds": typical,
            "of_model": ratio(seconds[name], seconds[REFERENCE]),
            "of_videomae": ratio(seconds[name], seconds["VideoMAE-base (PyTorch, eager)"]),
        }
        for name, typical in medians(seconds).items()
    }
    for name, program in programs.items():
        results[name]["mb"] = size_of(folders[name])
        results[name]["score_difference"] = (score_of(program, clip) - scores).abs().max().item()
    print_header(["program", "seconds", "of the model", "of VideoMAE-base", "MB", "largest difference of a score"])
    for name, result in results.items():
        numbers = [f"{result[key]:.3f}" for key in ("seconds", "of_model", "of_videomae")]
        file = [f"{result['mb']:.0f}", f"{result['score_difference']:.1e}"] if "mb" in result else ["", ""]
        print_row([name, *numbers, *file])
    return results


def exported(model, folder: Path, processor=None, **options) -> Path:
    """The folder of an exported model. It is written unless it is there."""
    return folder if folder.is_dir() else export_model(model, folder, processor=processor, **options)


def size_of(folder: Path) -> float:
    """Size of the program in a folder, in MB."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json") / 1e6


@torch.inference_mode()
def score_of(model, clips: torch.Tensor) -> torch.Tensor:
    """Softmax of the logits, float32 (clips, classes)."""
    return model(clips).logits.softmax(dim=-1)


def measure_accuracy(models: list[str], num_faces: int, cache: Path) -> dict[str, dict]:
    """Accuracy of each model's programs. Prints a table."""
    columns = ["model", "program", "UAR", "UAR of float32", "difference (95 %)", "same first class"]
    print_header([*columns, "difference of scores: mean", "99 %", "largest"])
    results = {}
    for number, name in enumerate(models):
        model = LGIFormerForVideoClassification.from_pretrained(name)
        clips, labels = drawn_clips(num_faces, processor_for(model.config, sampling_rate=1))
        scores = {}
        for program, options in PROGRAMS.items():
            if program == "ONNX Runtime, float32" or options.get("int8"):
                folder = exported(name, cache / f"{number} {program}", **options)
                scores[program] = score_of(ExportedModel.from_pretrained(folder), clips).numpy()
        reference = scores.pop("ONNX Runtime, float32")
        results[name] = {program: compare(values, reference, labels) for program, values in scores.items()}
        for program, figures in results[name].items():
            print_row([name, program, *cells_of(figures)])
    return results


def drawn_clips(number: int, processor) -> tuple[torch.Tensor, np.ndarray]:
    """Clips of faces, float32 (number, frames, 3, height, width), and their labels. The classes take turns."""
    generator = torch.Generator().manual_seed(SEED)
    labels, clips = np.arange(number) % len(LABELS), []
    for start in range(0, number, DRAWN_AT_ONCE):
        faces = draw_faces(labels[start : start + DRAWN_AT_ONCE].tolist(), generator)
        videos = list(rearrange(faces, "n t h w c -> n t c h w"))
        clips.append(processor(videos, do_sample_frames=False, return_tensors="pt")["pixel_values"])
    return torch.cat(clips), labels


def compare(scores: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> dict[str, float | list[float]]:
    """Accuracy and scores of a program against those of another one on the same clips."""
    right, right_before = scores.argmax(1) == labels, reference.argmax(1) == labels
    gains = [right[labels == label].astype(int) - right_before[labels == label] for label in np.unique(labels)]
    generator = np.random.default_rng(0)
    draws = [generator.choice(gain, (RESAMPLES, len(gain))).mean(axis=1) for gain in gains]
    differences = np.abs(scores - reference).max(axis=1)
    return {
        "uar": recall_score(labels, scores.argmax(1), average="macro"),
        "uar_of_float32": recall_score(labels, reference.argmax(1), average="macro"),
        "difference": float(np.mean([gain.mean() for gain in gains])),
        "interval": np.quantile(np.mean(draws, axis=0), [0.025, 0.975]).tolist(),
        "same_first_class": float((scores.argmax(1) == reference.argmax(1)).mean()),
        "score_difference_mean": float(differences.mean()),
        "score_difference_99": float(np.quantile(differences, 0.99)),
        "score_difference_largest": float(differences.max()),
    }


def cells_of(figures: dict) -> list[str]:
    """The figures of `compare`, as cells of a table. Accuracies are in percent."""
    low, high = (f"{100 * value:+.2f}" for value in figures["interval"])
    return [
        *(f"{100 * figures[name]:.2f}" for name in ("uar", "uar_of_float32")),
        f"{100 * figures['difference']:+.2f} [{low}, {high}]",
        f"{figures['same_first_class']:.1%}",
        *(f"{figures[f'score_difference_{name}']:.4f}" for name in ("mean", "99", "largest")),
    ]


if __name__ == "__main__":
    main()
