"""`lgi-former quickstart`."""

import os

from ..extras import require_extra
from ..messages import fail, first_line


SUMMARY = "the whole method on drawn faces, in minutes"
EXAMPLE = "lgi-former quickstart --output quickstart"


def add_arguments(parser):
    parser.add_argument("--output", default="quickstart", metavar="DIR", help="a new folder (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=6.0, help="duration of the whole run (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")


def run(args) -> int:
    """Draw a corpus of faces. Pre-train on its unlabelled part, fine-tune on its labelled part, and evaluate on people
    that are in neither. Two controls are trained on the same labels for as many steps: the same model from scratch,
    and the pre-trained model on single frames."""
    require_extra("train")
    from ..training.quickstart.report import REPORT_FILE, print_results
    from ..training.quickstart.run import quickstart

    try:
        outcome = quickstart(args.output, args.minutes, args.seed)
    except ValueError as error:
        return fail(first_line(error))
    print_results(outcome.figures)
    print(f"Report with figures: {os.path.join(args.output, REPORT_FILE)}")
    return 0
