"""`lgi-former quickstart`."""

import os

from ..extras import require_extra
from ..messages import command_line, silence_what_is_not_shown


SUMMARY = "the whole method on drawn faces, in minutes"
EXAMPLE = "lgi-former quickstart --output quickstart"


def add_arguments(parser):
    parser.add_argument(
        "--output", default="quickstart", metavar="DIR", help="a new folder, or one to resume (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted quickstart in --output")
    parser.add_argument(
        "--quick", action="store_true", help="about a minute: shows that everything works, but does not learn much"
    )
    parser.add_argument("--seed", type=int, help="random seed (default: 0)")


def run(args) -> int:
    """Draw a corpus of faces, pre-train without labels, fine-tune with labels, and evaluate on people in no training
    video. For comparison, the same model trains from scratch on the same labels for as many steps. The number of steps
    is fixed; the command prints how many minutes they take on this machine."""
    require_extra("train")
    from ..training.quickstart.report import REPORT_FILE, print_results, summary
    from ..training.quickstart.run import quickstart

    silence_what_is_not_shown()
    try:
        outcome = quickstart(args.output, args.seed, args.quick, args.resume)
    except KeyboardInterrupt:
        resume = command_line("lgi-former", "quickstart", "--resume", "--output", args.output)
        print(f"\nStopped. Go on with: {resume}", flush=True)
        return 130
    print_results(outcome.figures)
    print(summary(outcome))
    print(f"Report with figures: {os.path.join(args.output, REPORT_FILE)}")
    return 0
