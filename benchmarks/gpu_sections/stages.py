"""A step of each stage, of either model: inference, fine-tuning and pre-training in bf16."""

from collections.abc import Callable

import torch
from transformers import PreTrainedConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking

from .setting import NUM_LABELS, Setting


DROP_PATH_RATE = 0.1  # of fine-tuning, as in the recipes
MASK_RATIO = 0.9


def make_step(
    setting: Setting, family: str, stage: str, batch_size: int, mode: str | None = None, num_frames: int | None = None
) -> Callable[[], torch.Tensor]:
    """A step to be called again and again. It returns logits (inference) or the loss.

    Args:
        family: "lgi_former" or "videomae".
        mode: Of `torch.compile`; None for the model as it is.
        num_frames: Of a clip; by default those of the base model.
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
    with setting.device:  # weights are drawn on a GPU in no time
        model = (LGIFormerForPreTraining if family == "lgi_former" else VideoMAEForPreTraining)(config).train()
    if family == "lgi_former":
        masks = RegionTubeMasking(config)(batch_size, device=setting.device)
    else:
        masks = _tube_mask(config).to(setting.device).expand(batch_size, -1).contiguous()
    model = model.to(setting.device)  # tables that a model makes without asking where
    # VideoMAE takes its tokens by a boolean index, which breaks its graph.
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
    options = {"fused": True, "capturable": setting.on_gpu}  # a CUDA graph can hold a step then
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
    """bf16 where it is safe, as the trainer sets it."""
    return torch.autocast(setting.device.type, dtype=torch.bfloat16)
