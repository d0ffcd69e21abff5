"""Steps of inference, fine-tuning and pre-training in bf16, for both models."""

from collections.abc import Callable

import torch
from transformers import PreTrainedConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking

from .setting import NUM_LABELS, Setting


DROP_PATH_RATE = 0.1  # as in the recipes of fine-tuning
MASK_RATIO = 0.9


def make_step(
    setting: Setting, family: str, stage: str, batch_size: int, mode: str | None = None, num_frames: int | None = None
) -> Callable[[], torch.Tensor]:
    """A step that can be repeated. It returns logits (inference) or the loss.

    Args:
        family: "lgi_former" or "videomae".
        mode: Mode of `torch.compile`; None for no compilation.
        num_frames: Frames of a clip; default: those of the base model.
    """
    torch.manual_seed(0)
    make = {"inference": _inference, "fine-tuning": _finetuning, "pre-training": _pretraining}[stage]
    return make(setting, family, batch_size, mode, num_frames)


def _inference(setting, family, batch_size, mode, num_frames):
    config = setting.config(family, num_frames)
    with setting.device:
        model = make_classifier(config).to(setting.device).eval()
    model, clips = setting.compiled(model, mode), setting.clips(config, batch_size)

    def classify():
        with torch.no_grad(), autocast(setting):
            return model(clips).logits

    return classify


def _finetuning(setting, family, batch_size, mode, num_frames):
    config = setting.config(family, num_frames, drop_path_rate=DROP_PATH_RATE)
    with setting.device:
        model = make_classifier(config).to(setting.device).train()
    labels = torch.arange(batch_size, device=setting.device) % NUM_LABELS
    return _training(setting, model, setting.compiled(model, mode), setting.clips(config, batch_size), labels=labels)


def _pretraining(setting, family, batch_size, mode, num_frames):
    config = setting.config(family, num_frames)
    with setting.device:  # a GPU draws weights fast
        model = (LGIFormerForPreTraining if family == "lgi_former" else VideoMAEForPreTraining)(config).train()
    if family == "lgi_former":
        masks = RegionTubeMasking(config)(batch_size, device=setting.device)
    else:
        masks = _tube_mask(config).to(setting.device).expand(batch_size, -1).contiguous()
    model = model.to(setting.device)  # moves tables that ignore the default device
    # VideoMAE selects tokens with a boolean index, which breaks the graph.
    compiled = setting.compiled(model, mode, fullgraph=family == "lgi_former")
    return _training(setting, model, compiled, setting.clips(config, batch_size), bool_masked_pos=masks)


def _tube_mask(config):
    frame = (config.image_size // config.patch_size) ** 2
    order = torch.randperm(frame)
    return (order < int(MASK_RATIO * frame)).repeat(config.num_frames // config.tubelet_size)


def make_classifier(config: PreTrainedConfig) -> torch.nn.Module:
    """A new classifier of the configuration's family."""
    is_ours = config.model_type == "lgi_former"
    return (LGIFormerForVideoClassification if is_ours else VideoMAEForVideoClassification)(config)


def _training(setting, model, compiled, clips, **inputs):
    options = {"fused": True, "capturable": setting.on_gpu}  # allows a CUDA graph of a step
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.05, **options)

    def take():
        with autocast(setting):
            loss = compiled(clips, **inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return take


def autocast(setting: Setting) -> torch.autocast:
    """The trainer's autocast to bf16."""
    return torch.autocast(setting.device.type, dtype=torch.bfloat16)
