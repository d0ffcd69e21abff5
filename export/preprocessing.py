"""`preprocessing.json`: how a program without Transformers makes clips of videos, and scores of logits."""

from PIL import Image
from transformers import PreTrainedConfig
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub.answer_kind import THRESHOLD, AnswerKind
from ..image_processing import LGIFormerVideoProcessor


def preprocessing_of(processor: BaseVideoProcessor, config: PreTrainedConfig) -> dict:
    """What `preprocessing.json` says about clips.

    Raises:
        ValueError: If the processor makes clips that the file cannot describe, or that do not fit the model.
    """
    _check(processor, config)
    height, width = processor.size["height"], processor.size["width"]
    in_time = {}
    if processor.sampling_frame_rate is not None:
        in_time = {
            "sampling_frame_rate": processor.sampling_frame_rate,
            "frames": "Count as frames the pictures that are shown at 0, 1 / sampling_frame_rate, 2 / "
            "sampling_frame_rate, ... seconds, until the end of the video.",
        }
    return {
        "frame_sampling": {
            "num_frames": processor.num_frames,
            "sampling_rate": processor.sampling_rate,
            **in_time,
            "num_segments": processor.num_segments,
            "rule": "Take frames 0, sampling_rate, 2 * sampling_rate, ... Repeat the last one until there are "
            "num_frames. The clips are windows of num_frames of these frames. With spare = frames - num_frames, clip "
            "k begins at k * spare // (num_segments - 1). A single clip begins at spare // 2. Average the scores of "
            "the clips.",
        },
        "color": "RGB",
        "resize": {
            "height": height,
            "width": width,
            "filter": Image.Resampling(processor.resample).name.lower(),
            "library": "Pillow",
            "antialias": True,
            "keep_aspect_ratio": False,
            "rounding": "to whole grey levels, 0 to 255, after each direction",
        },
        "rescale_factor": processor.rescale_factor if processor.do_rescale else 1.0,
        "mean": list(processor.image_mean) if processor.do_normalize else [0.0] * 3,
        "std": list(processor.image_std) if processor.do_normalize else [1.0] * 3,
        "formula": "(level * rescale_factor - mean) / std",
        "axes": ["clip", "frame", "channel", "row", "column"],
        "dtype": "float32",
    }


def answers_of_logits(config: PreTrainedConfig) -> dict:
    """What `preprocessing.json` says about the logits of a classifier."""
    kind = AnswerKind.of(config)
    described = {
        "labels": kind.labels,
        "problem_type": kind.problem_type,
        "activation": kind.function,
        "logits_axes": ["clip", "frame", "label"] if config.frame_level else ["clip", "label"],
    }
    if kind.problem_type == "multi_label_classification":
        described["threshold"] = THRESHOLD
    return described | ({"units": kind.units} if kind.units else {})


def _check(processor: BaseVideoProcessor, config: PreTrainedConfig):
    if not isinstance(processor, LGIFormerVideoProcessor):
        raise ValueError(
            f"The model's processor is a {type(processor).__name__}, which preprocessing.json cannot describe. Save "
            "an LGIFormerVideoProcessor beside the model."
        )
    size = {"height": config.image_size, "width": config.image_size}
    needed = {"do_resize": True, "do_center_crop": False, "do_convert_rgb": True, "do_sample_frames": True}
    needed |= {"num_frames": config.num_frames}
    for name, value in needed.items():
        if getattr(processor, name) != value:
            raise ValueError(f"The processor has {name}={getattr(processor, name)}, but the export needs {value}.")
    if dict(processor.size) != size:
        raise ValueError(f"The processor has size={dict(processor.size)}, but the model takes {size}.")
    if config.num_channels != len(processor.image_mean):
        raise ValueError(
            f"The model has num_channels={config.num_channels}, but its processor makes clips of "
            f"{len(processor.image_mean)} channels."
        )
