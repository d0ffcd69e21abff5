"""Time of one clip on an idle GPU."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

from .setting import FAMILIES, Setting
from .stages import autocast, make_classifier
from .timing import captured, free, reason, wait


WAYS = ("float32", "bf16 autocast", "bf16 weights", "bf16 weights, CUDA graph")
CALLS = 100


def run(setting: Setting) -> Iterator[dict]:
    """Each way for each model. `difference` compares logits with float32, relative to the largest."""
    for way in WAYS:
        for family in FAMILIES:
            row = {"table": "One clip of 16 frames, not compiled", "way": way, "model": family}
            try:
                row |= measure(setting, family, way)
            except Exception as error:
                row["failed"] = reason(error)
            yield row
            free(setting.device)


def measure(setting: Setting, family: str, way: str) -> dict[str, float]:
    """Milliseconds until a clip's logits are on the host, and their difference to float32."""
    if way == "bf16 weights, CUDA graph" and not setting.on_gpu:
        return {"failed": "there is no GPU"}
    call, expected = make_call(setting, family, way), make_call(setting, family, "float32")().cpu()
    for _ in range(3):
        actual = call().float().cpu()
    milliseconds = []
    for _ in range(setting.pick(CALLS, 3)):
        wait(setting.device)
        start = time.perf_counter()
        call().cpu()
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return {
        "median ms": statistics.median(milliseconds),
        "95 % within ms": sorted(milliseconds)[int(0.95 * (len(milliseconds) - 1))],
        "difference": ((actual - expected).abs().max() / expected.abs().max()).item(),
    }


def make_call(setting: Setting, family: str, way: str) -> Callable[[], torch.Tensor]:
    """A call that classifies a clip in one of `WAYS`. All ways have the same weights and the same clip."""
    torch.manual_seed(0)
    # With its small initial head, the logits of different clips would hardly differ.
    fields = {"classifier_init_scale": 1.0} if family == "lgi_former" else {}
    config = setting.config(family, **fields)
    model, clip = make_classifier(config).to(setting.device).eval(), setting.clips(config, 1)
    if way.startswith("bf16 weights"):
        model, clip = model.to(torch.bfloat16), clip.to(torch.bfloat16)

    def classify():
        with torch.no_grad():
            if way == "bf16 autocast":
                with autocast(setting):
                    return model(clip).logits
            return model(clip).logits

    return captured(classify) if way == "bf16 weights, CUDA graph" else classify
