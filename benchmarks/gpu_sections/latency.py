"""How long one clip takes, when nothing else is asked for: eager, compiled, and by CUDA graphs."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

from .setting import FAMILIES, Setting
from .stages import autocast, make_classifier
from .timing import free, wait


WAYS = ("eager, autocast", "eager", "CUDA graph of eager", "reduce-overhead")
CALLS = 100


def run(setting: Setting) -> Iterator[dict]:
    """Each way for each model. The difference is that of the logits to eager float32, relative to the largest."""
    for way in WAYS:
        for family in FAMILIES:
            row = {"table": "Weights in bf16, one clip of 16 frames", "way": way, "model": family}
            try:
                row |= measure(setting, family, way)
            except Exception as error:
                row["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            yield row
            free(setting.device)


def measure(setting: Setting, family: str, way: str) -> dict[str, float]:
    """Milliseconds until a clip's logits are on the host, and how far they are from those of float32."""
    if way == "CUDA graph of eager" and not setting.on_gpu:
        return {"failed": "there is no GPU"}
    mode = "reduce-overhead" if way == "reduce-overhead" else None
    call = make_call(setting, family, mode, autocasts=way == "eager, autocast", captured=way == "CUDA graph of eager")
    expected = _float32_logits(setting, family)
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


def make_call(
    setting: Setting, family: str, mode: str | None, autocasts: bool = False, captured: bool = False
) -> Callable[[], torch.Tensor]:
    """A call that classifies a clip.

    Args:
        mode: Of `torch.compile`; None for the model as it is.
        autocasts: Weights stay in float32, and autocast is on.
        captured: The model's kernels are captured in a CUDA graph once, and replayed.
    """
    model, clip = _model_and_clip(setting, family)
    if not autocasts:
        model, clip = model.to(torch.bfloat16), clip.to(torch.bfloat16)
    model = setting.compiled(model, mode)

    def classify():
        with torch.no_grad():
            if autocasts:
                with autocast(setting):
                    return model(clip).logits
            return model(clip).logits

    return _capture(classify) if captured else classify


def _capture(call):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = call()

    def replay():
        graph.replay()
        return logits

    return replay


def _float32_logits(setting, family):
    model, clip = _model_and_clip(setting, family)
    with torch.no_grad():
        return model(clip).logits.float().cpu()


def _model_and_clip(setting, family):
    """The same ones every time. The head is not scaled down, so that its logits differ between clips."""
    torch.manual_seed(0)
    fields = {"classifier_init_scale": 1.0} if family == "lgi_former" else {}
    config = setting.config(family, **fields)
    return make_classifier(config).to(setting.device).eval(), setting.clips(config, 1)
