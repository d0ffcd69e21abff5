"""Time of LGI-Former against VideoMAE-base, in turns in one process: `python benchmarks/model_speed.py`.

Clips have 16 x 160 x 160 pixels, in float32 with sdpa. Measured are a classified clip, a step of fine-tuning (forward,
backward, fused AdamW; LGI-Former with a stochastic depth of 0.1), a step of pre-training (0.9 of the tubelets masked)
and the machine's rate of matrix products. With decoder masking, LGI-Former predicts half of the masked tubelets and
VideoMAE all. `--compile` compiles both models as one graph, for inference with frozen weights. Pre-training is skipped
then, because VideoMAE does not compile as one graph. Prints a table and writes `results/model_speed.json` or
`results/model_speed_compiled.json`.
"""

import functools
from collections.abc import Callable

import torch
from measuring import (
    gmacs,
    interleaved_seconds,
    make_parser,
    medians,
    parse_timing,
    print_header,
    print_row,
    ratio,
    record,
)
from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking


NUM_LABELS = 7
CLASSIFIED_FLOP = 2 * 41.50e9  # a clip, as counted in tests/modeling_lgi_former
MATRIX_SIZE = 1024


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--batch_size", type=int, default=4, help="clips of a training step")
    parser.add_argument("--compile", action="store_true", help="compile both models")
    arguments = parse_timing(parser, rounds=9)
    pairs = compiled_pairs(arguments.batch_size) if arguments.compile else eager_pairs(arguments.batch_size)
    results = {name: compare(*pair, arguments.rounds) for name, pair in pairs.items()}
    if not arguments.compile:  # operations of compiled code cannot be counted
        for name, pair in pairs.items():
            results[name]["gmacs"] = dict(zip(("lgi_former", "videomae"), map(gmacs, pair), strict=True))
    classified = results["a classified clip"]
    classified["share_of_matrix_rate"] = CLASSIFIED_FLOP / classified["lgi_former"] / classified["matrix_rate"]
    print_header(["what", "LGI-Former", "VideoMAE-base", "LGI-Former / VideoMAE", "ratio of GMACs"])
    for name, result in results.items():
        ours, theirs = (f"{result[model]:.3f} s" for model in ("lgi_former", "videomae"))
        counts = result.get("gmacs")
        ratio_of_gmacs = f"{counts['lgi_former'] / counts['videomae']:.3f}" if counts else "-"
        print_row([name, ours, theirs, f"{result['ratio']:.3f}", ratio_of_gmacs])
    print(f"A classified clip runs at {classified['share_of_matrix_rate']:.2f} of the rate of matrix products.")
    record("model_speed_compiled" if arguments.compile else "model_speed", arguments, results)


def eager_pairs(batch_size: int) -> dict[str, tuple[Callable, Callable]]:
    """Pairs of calls to compare, ours first, without compilation."""
    return {
        "a classified clip": tuple(map(classifying, classifiers())),
        "a fine-tuning step": tuple(finetuning(model, batch_size) for model in classifiers(drop_path_rate=0.1)),
        "a pre-training step": pretraining(batch_size),
        "a pre-training step, decoder masking 0.5": pretraining(batch_size, decoder_mask_ratio=0.5),
    }


def compiled_pairs(batch_size: int) -> dict[str, tuple[Callable, Callable]]:
    """Pairs of calls to compare, ours first, with compiled models."""
    for_inference, for_training = (
        functools.partial(torch.compile, fullgraph=True, options=options) for options in ({"freezing": True}, None)
    )
    return {
        "a classified clip": tuple(classifying(for_inference(model)) for model in classifiers()),
        "a fine-tuning step": tuple(
            finetuning(for_training(model), batch_size) for model in classifiers(drop_path_rate=0.1)
        ),
    }


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


def compare(ours: Callable, theirs: Callable, rounds: int) -> dict[str, float]:
    """Median seconds of both calls, their ratio, and floating point operations a second in matrix products."""
    left, right = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE)
    ways = {"lgi_former": [ours], "videomae": [theirs], "matrix": [lambda: [left @ right for _ in range(10)]]}
    seconds = interleaved_seconds(ways, rounds)
    typical = medians(seconds)
    return {
        "lgi_former": typical["lgi_former"],
        "videomae": typical["videomae"],
        "ratio": ratio(seconds["lgi_former"], seconds["videomae"]),
        "matrix_rate": 10 * 2 * MATRIX_SIZE**3 / typical["matrix"],
    }


if __name__ == "__main__":
    main()
