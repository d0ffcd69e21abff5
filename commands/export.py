"""`lgi-former export`."""

import json
from pathlib import Path

from ..hub.exported_folder import DESCRIPTION, PREPROCESSING, PROGRAMS
from ..messages import announce_if_slow, console, silence_libraries, suggest
from .options import MODEL_NAMES, add_revision


SUMMARY = "a model as a program for ONNX Runtime, OpenVINO or torch.export"
EXAMPLE = "lgi-former export outputs/finetuned outputs/onnx --dynamic_batch"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help=f"any LGI-Former: {MODEL_NAMES}")
    add_revision(parser)
    parser.add_argument("out", metavar="OUT", help="folder to write; it must not exist, or be empty")
    parser.add_argument(
        "--format", choices=tuple(PROGRAMS), default="onnx", help="format of the program (default: %(default)s)"
    )
    parser.add_argument("--int8", action="store_true", help="quantise matrix products to 8 bits (onnx only)")
    parser.add_argument(
        "--dynamic_batch", action="store_true", help="take batches of any size (default: one clip at a time)"
    )
    parser.add_argument(
        "--encoder_only", action="store_true", help="export only the encoder of the model, for embeddings"
    )


def run(args) -> int:
    """Export a classifier, an encoder or a masked autoencoder as a program that runs without PyTorch. The command
    runs the program and compares it with the model. If they differ, it writes nothing."""
    from ..conversion import model_folder
    from ..export import export_model

    silence_libraries()
    with announce_if_slow("Exporting the model ..."):
        out = export_model(
            model_folder(args.model, args.revision),
            args.out,
            format=args.format,
            int8=args.int8,
            dynamic_batch=args.dynamic_batch,
            encoder_only=args.encoder_only,
        )
    _print_report(out)
    if "labels" in json.loads((out / PREPROCESSING).read_text(encoding="utf-8")):
        suggest("lgi-former", "predict", "VIDEO", "--model", args.out)
    return 0


def _print_report(out: Path):
    """Print size, time and differences of the program in a table."""
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    facts = json.loads((out / DESCRIPTION).read_text(encoding="utf-8"))
    compared, seconds = facts["compared"], facts["compared"]["clip_seconds"]
    batches = ", ".join(map(str, compared["batches"]))
    rows = {
        "size": decimal(sum(path.stat().st_size for path in out.iterdir())),
        "time of a clip": f"{seconds['program'] * 1000:.0f} ms, {seconds['program'] / seconds['model']:.2f} of the "
        f"model's {seconds['model'] * 1000:.0f} ms",
        "largest difference": f"{compared['largest_difference']:.1e}, in batches of {batches}",
    }
    if "largest_score_difference" in compared:
        rows["in scores"] = f"{compared['largest_score_difference']:.1e}"
        rows["same first label"] = f"{compared['same_top_label']:.0%}"
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(name, Text(value))
    print(f"Wrote {out}: {facts['format']}{', int8 (' + facts['int8'] + ')' if facts['int8'] else ''}.")
    console().print(table)
