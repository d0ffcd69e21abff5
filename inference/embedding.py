"""Embeddings of videos, for probes, retrieval or multimodal models."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers.video_processing_utils import BaseVideoProcessor

from ..image_processing.decoding.section import Section, check_frame_rate
from ..image_processing.decoding.video_streams import check_stream_number
from ..modeling_lgi_former import LGIFormerModel
from ..modeling_lgi_former.modeling_lgi_former import LGIFormerModelOutput
from .embedding_clips import SegmentClips, VideoPart, WindowClips
from .window_settings import check_seconds


LEVELS = ("clip", "region", "token")


@dataclass
class VideoEmbedding:
    """The embedding of one video.

    Attributes:
        video (`str`): The video, as it was given.
        index (`int`): Position in the list of videos.
        views (`np.ndarray` of shape `(views, *shape)`): float32. The shape is `(width,)` for clips, `(regions, width)`
            for regions and `(tokens, width)` for tokens.
        times (`np.ndarray` of shape `(views, 2)`): float64. Start and end of each view, in seconds in the video.
    """

    video: str
    index: int
    views: np.ndarray
    times: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The mean over the views."""
        return self.views.mean(axis=0)


def embed_video(
    model: LGIFormerModel,
    processor: BaseVideoProcessor,
    video,
    level: str = "clip",
    num_segments: int | None = None,
    **options,
) -> np.ndarray:
    """Embed one video. The result is the mean over its views.

    Args:
        model: The bare encoder in eval mode. `AutoModel.from_pretrained` loads it from any LGI-Former.
        processor: The processor of the model.
        video: Any input of the processor: a file, a folder of frames, a URL, ...
        level: `"clip"` is the input of a classification head: the normalised mean of the tokens that `config.pooling`
            names. With `config.frame_level`, it is also averaged over frames. `"region"` gives the representative
            tokens. `"token"` gives the local tokens after the final norm. Both are in the order time, row, column.
        num_segments: Number of clips, evenly spaced in time. The default is the setting of the processor.
        **options: `window`, `stride`, `cuts`, `start`, `end`, `stream` and `frame_rate`, as for `embed_videos`.

    Returns:
        float32 (width,) for clips, (regions, width) for regions, (tokens, width) for tokens.

    Raises:
        ValueError: If the video cannot be read, its embedding is not finite, or there is no such level.

    Example:

    ```python
    >>> import numpy as np
    >>> from lgi_former import LGIFormerConfig, LGIFormerModel, LGIFormerVideoProcessor
    >>> from lgi_former.inference import embed_video

    >>> model, processor = LGIFormerModel(LGIFormerConfig(num_hidden_layers=2)).eval(), LGIFormerVideoProcessor()
    >>> video = np.zeros((40, 120, 120, 3), dtype=np.uint8)
    >>> embed_video(model, processor, video).shape, embed_video(model, processor, video, level="region").shape
    ((512,), (8, 512))

    ```
    """
    (embedding,) = embed_videos(model, processor, [video], level, num_segments, **options)
    return embedding.mean


def embed_videos(
    model: LGIFormerModel,
    processor: BaseVideoProcessor,
    videos: Sequence,
    level: str = "clip",
    num_segments: int | None = None,
    *,
    window: float | None = None,
    stride: float | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    stream: int | None = None,
    frame_rate: float | None = None,
    cuts: bool = True,
    batch_size: int = 1,
    num_workers: int = 0,
    on_failure: Callable[[str, str], None] | None = None,
) -> Iterator[VideoEmbedding]:
    """Embed videos lazily. Otherwise as `embed_video`. Equal views of a short video are computed once.

    With `window` or `stride`, the views of a video are windows that slide over it, as in `FacialExpressionPipeline`.

    Args:
        videos: Any inputs of the processor. The times of a `VideoSection` replace `start` and `end`.
        window: Seconds of a clip. The frames of the clip are evenly spaced in it. The default is that of the pipeline.
        stride: Seconds between the starts of two windows, rounded to a multiple of the time between two frames of a
            clip. The default is half a window.
        start, end, stream, frame_rate: As for `LGIFormerVideoProcessor.preprocess`. They apply to every video.
        cuts: Find the hard cuts of each video. No window goes over a cut. Clips that are not windows may.
        batch_size: Videos in a batch of the model, or windows.
        num_workers: Processes that read videos. If they read windows, a video may be complete before an earlier one.
        on_failure: Called with a video and an error message instead of raising the error. The other videos are still
            embedded.

    Raises:
        ValueError: If there is no such level, a setting is impossible, or windows and `num_segments` are given.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not one of {', '.join(map(repr, LEVELS))}.")
    Section.of(start, end)
    check_stream_number(stream)
    check_frame_rate("frame_rate", frame_rate)
    reading = {"start": start, "end": end, "stream": stream, "frame_rate": frame_rate}
    if window is None and stride is None:
        clips = SegmentClips(videos, processor, num_segments, reading)
    else:
        check_seconds(window=window, stride=stride)
        if num_segments is not None:
            raise ValueError("num_segments gives clips instead of windows: leave out window and stride.")
        clips = WindowClips(videos, processor, window, stride, reading, cuts)
    return _embed(model, clips, level, batch_size, num_workers, on_failure)


def _embed(
    model, clips: SegmentClips | WindowClips, level, batch_size, num_workers, on_failure
) -> Iterator[VideoEmbedding]:
    known = defaultdict(list)  # for each video, by its index: embeddings and times of its parts so far
    for batch in DataLoader(clips, batch_size, num_workers=num_workers, collate_fn=list):
        for part, views in zip(batch, _embed_batch(model, batch, level), strict=True):
            if views is not None:
                known[part.index].append((views, part.times))
            if not part.is_last:
                continue
            views, times = map(np.concatenate, zip(*known.pop(part.index, [((), ())]), strict=True))
            failure = part.failure
            if failure is None and not np.isfinite(views).all():
                failure = f"The embedding of {part.video} is not finite; load the model with dtype=torch.float32."
            if failure is None:
                yield VideoEmbedding(part.video, part.index, views, times)
            elif on_failure is None:
                raise ValueError(failure)
            else:
                on_failure(part.video, failure)


@torch.inference_mode()
def _embed_batch(model: LGIFormerModel, batch: list[VideoPart], level: str) -> list[np.ndarray | None]:
    """Embeddings of each part, float32 (views, *shape). None for a part without clips."""
    clips = [part.clips for part in batch if part.clips is not None]
    if not clips:
        return [None] * len(batch)
    outputs = model(pixel_values=torch.cat(clips).to(model.device, model.dtype), pooled_only=level != "token")
    embeddings = iter(_at_level(outputs, level).float().cpu().split([len(each) for each in clips]))
    return [None if part.clips is None else next(embeddings)[part.rows].numpy() for part in batch]


def _at_level(outputs: LGIFormerModelOutput, level: str) -> torch.Tensor:
    if level == "region":
        return outputs.representative_hidden_state
    if level == "token":
        return outputs.last_hidden_state
    pooled = outputs.pooler_output
    return pooled.mean(dim=1) if pooled.ndim == 3 else pooled  # over frames
