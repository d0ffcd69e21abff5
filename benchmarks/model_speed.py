"""Time of LGI-Former against VideoMAE-base, in turns in one process: `python benchmarks/model_speed.py`.

Clips have 16 x 160 x 160 pixels, in float32 with sdpa. `--calls` selects what is measured: classified batches of 1
and of 4 clips, a step of fine-tuning (forward, backward, fused AdamW; LGI-Former with a stochastic depth of 0.1), and
a step of pre-training (0.9 of the tubelets masked), alone and with decoder masking, where LGI-Former predicts half of
the masked tubelets and VideoMAE all. `--threads` selects the numbers of threads. Seconds are processor
time on one thread, and wall time on more. So nothing else may run on the machine beside a measurement on more threads.
`--compile` compiles both models as one graph, for inference with frozen weights. Pre-training is skipped then, because
VideoMAE does not compile as one graph. Prints a table, a row as soon as it is measured, and writes
`results/model_speed_CALL.json` or `results/model_speed_CALL_compiled.json`.
"""

import functools
import time
from collections.abc import Callable

import torch
from measuring import gmacs, interleaved_seconds, make_parser, medians, print_header, print_row, ratio, record
from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking


NUM_LABELS = 7
MATRIX_SIZE = 1024
# Clips of a batch in each call.
BATCH_SIZES = {"classify": (1, 4), "finetune": (4,), "pretrain": (4,), "pretrain_half_decoded": (4,)}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--calls", nargs="+", choices=BATCH_SIZES, default=list(BATCH_SIZES), help="what to measure")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of timing (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="compile both models")
    arguments = parser.parse_args()
    print_header(
        [
            *("call", "clips", "threads", "LGI-Former", "VideoMAE-base", "LGI-Former / VideoMAE", "ratio of GMACs"),
            *("LGI-Former's share of the matrix rate", "VideoMAE's"),
        ]
    )
    for call in arguments.calls:
        if arguments.compile and call.startswith("pretrain"):
            continue
        results = [
            measure(call, batch_size, threads, arguments.rounds, arguments.compile)
            for batch_size in BATCH_SIZES[call]
            for threads in arguments.threads
        ]
        record(f"model_speed_{call}" + "_compiled" * arguments.compile, arguments, results)


def measure(call: str, batch_size: int, threads: int, rounds: int, is_compiled: bool) -> dict:
    """Measure a call of both models, and print its row."""
    torch.set_num_threads(threads)
    torch.compiler.reset()  # compiled code has a fixed number of threads
    models = ("lgi_former", "videomae")
    # Operations of compiled code cannot be counted.
    counts = dict(zip(models, map(gmacs, make_pair(call, batch_size)), strict=True))
    pair = dict(zip(models, make_pair(call, batch_size, is_compiled), strict=True))
    left, right = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE)
    ways = {name: [take] for name, take in pair.items()} | {"matrix": [lambda: [left @ right for _ in range(10)]]}
    seconds = interleaved_seconds(ways, rounds, time.process_time if threads == 1 else time.perf_counter)
    typical = medians(seconds)
    matrix_rate = 10 * MATRIX_SIZE**3 / 1e9 / typical.pop("matrix")
    result = {
        "call": call,
        "clips": batch_size,
        "threads": threads,
        "seconds": typical,
        "ratio": ratio(seconds["lgi_former"], seconds["videomae"]),
        "gmacs": counts,
        "gmacs_of_matrix_products_a_second": matrix_rate,
        "shares_of_matrix_rate": {name: counts[name] / typical[name] / matrix_rate for name in pair},
    }
    print_row(
        [
            *(call, batch_size, threads, *(f"{typical[name]:.3f} s" for name in pair), f"**{result['ratio']:.3f}**"),
            f"{counts['lgi_former'] / counts['videomae']:.3f}",
            *(f"{share:.2f}" for share in result["shares_of_matrix_rate"].values()),
        ]
    )
    return result


def make_pair(call: str, batch_size: int, is_compiled: bool = False) -> tuple[Callable, Callable]:
    """Calls to compare, ours first."""
    if call.startswith("pretrain"):
        return pretraining(batch_size, decoder_mask_ratio=0.5 if call == "pretrain_half_decoded" else 0.0)
    models = classifiers(drop_path_rate=0.1 if call == "finetune" else 0.0)
    if is_compiled:
        options = {"freezing": True} if call == "classify" else None
        models = map(functools.partial(torch.compile, fullgraph=True, options=options), models)
    if call == "finetune":
        return tuple(finetuning(model, batch_size) for model in models)
    clips = torch.randn(batch_size, 16, 3, 160, 160)
    return tuple(classifying(model, clips) for model in models)


def classifiers(**options) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Both classifiers, ours (configured with `options`) first."""
    return (
        LGIFormerForVideoClassification(LGIFormerConfig(num_labels=NUM_LABELS, **options)),
        VideoMAEForVideoClassification(VideoMAEConfig(image_size=160, num_labels=NUM_LABELS)),
    )


def classifying(model: torch.nn.Module, clip: torch.Tensor | None = None) -> Callable:
    """A call that classifies a clip, by default a random one of 16 x 160 x 160."""
    model.eval()
    clip = torch.randn(1, 16, 3, 160, 160) if clip is None else clip

    @torch.no_grad()  # inductor does not freeze in inference mode
    def classify():
        model(clip)

    return classify


def finetuning(model: torch.nn.Module, batch_size: int) -> Callable:
    """A training step of a classifier."""
    return step(model, batch_size, labels=torch.arange(batch_size) % NUM_LABELS)


def pretraining(batch_size: int, **options) -> tuple[Callable, Callable]:
    """A training step of both masked autoencoders, ours configured with `options`, each with its kind of masks."""
    config = LGIFormerConfig(**options)
    masking = RegionTubeMasking(config)
    masks = masking(batch_size=batch_size)
    masks = {"bool_masked_pos": masks, "bool_decoded_pos": masking.decoded(masks)}
    tubes = (torch.randperm(100) < 90).repeat(8).expand(batch_size, -1)
    ours, theirs = LGIFormerForPreTraining(config), VideoMAEForPreTraining(VideoMAEConfig(image_size=160))
    return step(ours, batch_size, **masks), step(theirs, batch_size, bool_masked_pos=tubes)


def step(model: torch.nn.Module, batch_size: int, **inputs) -> Callable:
    """A training step that can be repeated."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    clips = torch.randn(batch_size, 16, 3, 160, 160)

    def take():
        model(clips, **inputs).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return take


if __name__ == "__main__":
    main()
