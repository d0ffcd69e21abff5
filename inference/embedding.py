"""Embeddings of videos, for probes, retrieval or multimodal models."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers.video_processing_utils import BaseVideoProcessor

from ..image_processing.decoding.local_videos import has_content, video_name
from ..image_processing.distinct_views import distinct_views
from ..modeling_lgi_former import LGIFormerModel
from ..modeling_lgi_former.modeling_lgi_former import LGIFormerModelOutput


LEVELS = ("clip", "region", "token")


@dataclass
class VideoEmbedding:
    """The embedding of one video.

    Attributes:
        video (`str`): The video, as it was given.
        index (`int`): Position in the list of videos.
        views (`np.ndarray` of shape `(views, *shape)`): float32. The shape is `(width,)` for clips, `(regions, width)`
            for regions and `(tokens, width)` for tokens.
    """

    video: str
    index: int
    views: np.ndarray

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
    (embedding,) = embed_videos(model, processor, [video], level, num_segments)
    return embedding.mean


def embed_videos(
    model: LGIFormerModel,
    processor: BaseVideoProcessor,
    videos: Sequence,
    level: str = "clip",
    num_segments: int | None = None,
    *,
    batch_size: int = 1,
    num_workers: int = 0,
    on_failure: Callable[[str, str], None] | None = None,
) -> Iterator[VideoEmbedding]:
    """Embed videos lazily. Otherwise as `embed_video`. Equal views of a short video are computed once.

    Args:
        batch_size: Videos in a batch of the model.
        num_workers: Processes that read videos.
        on_failure: Called with a video and an error message instead of raising the error. The other videos are still
            embedded.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not one of {', '.join(map(repr, LEVELS))}.")
    return _embed(model, _Views(videos, processor, num_segments), level, batch_size, num_workers, on_failure)


def _embed(model, dataset, level, batch_size, num_workers, on_failure) -> Iterator[VideoEmbedding]:
    for batch in DataLoader(dataset, batch_size, num_workers=num_workers, collate_fn=list):
        views_of = _embed_batch(model, [item for item in batch if item.failure is None], level)
        for item in batch:
            views = views_of.get(item.index)
            failure = item.failure
            if failure is None and not np.isfinite(views).all():
                failure = f"The embedding of {item.video} is not finite; load the model with dtype=torch.float32."
            if failure is None:
                yield VideoEmbedding(item.video, item.index, views)
            elif on_failure is None:
                raise ValueError(failure)
            else:
                on_failure(item.video, failure)


@dataclass
class _VideoViews:
    """The distinct views of a video and the index of each view among them, or an error message."""

    video: str
    index: int
    distinct: torch.Tensor | None = None
    view_index: torch.Tensor | None = None
    failure: str | None = None


class _Views(Dataset):
    def __init__(self, videos: Sequence, processor: BaseVideoProcessor, num_segments: int | None):
        self.videos = videos
        self.processor = processor
        self.sampling = {} if num_segments is None else {"num_segments": num_segments}

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index: int) -> _VideoViews:
        video = self.videos[index]
        has_name = isinstance(video, (str, os.PathLike)) or has_content(video)
        name = video_name(video) if has_name else f"video {index}"
        try:
            views = self.processor(video, return_tensors="pt", **self.sampling)["pixel_values"]
        except Exception as error:  # an error of one video must not stop the others
            return _VideoViews(name, index, failure=str(error) or repr(error))
        distinct, view_index = distinct_views(views)
        return _VideoViews(name, index, distinct, view_index)


@torch.inference_mode()
def _embed_batch(model: LGIFormerModel, batch: list[_VideoViews], level: str) -> dict[int, np.ndarray]:
    """Embeddings, float32 (views, *shape), of each video by its index."""
    if not batch:
        return {}
    pixel_values = torch.cat([item.distinct for item in batch]).to(model.device, model.dtype)
    outputs = model(pixel_values=pixel_values, pooled_only=level != "token")
    embeddings = _at_level(outputs, level).float().cpu().split([len(item.distinct) for item in batch])
    return {item.index: views[item.view_index].numpy() for item, views in zip(batch, embeddings, strict=True)}


def _at_level(outputs: LGIFormerModelOutput, level: str) -> torch.Tensor:
    if level == "region":
        return outputs.representative_hidden_state
    if level == "token":
        return outputs.last_hidden_state
    pooled = outputs.pooler_output
    return pooled.mean(dim=1) if pooled.ndim == 3 else pooled  # over frames
