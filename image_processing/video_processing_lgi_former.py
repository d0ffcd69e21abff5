"""Video processor class for LGI-Former."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torchvision.transforms.v2 import functional as tv_functional
from transformers import PreTrainedConfig
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    ChannelDimension,
    PILImageResampling,
    SizeDict,
)
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.utils import TensorType
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoInput, VideoMetadata, VideoMetadataType, make_batched_metadata

from ..saving import ProcessorSavedWithCode
from .decoding.video_decoding import read_video
from .decoding.video_inputs import split_into_videos
from .frame_sampling import evaluation_frame_indices
from .pixel_range import check_range
from .processor_settings import check_settings, pillow_filter
from .resizing import resize_frames


class LGIFormerVideoProcessorKwargs(VideosKwargs, total=False):
    """
    sampling_rate (`int`, *optional*, defaults to 4):
        Step between the frames of a clip, in frames of the video.
    num_segments (`int`, *optional*, defaults to 1):
        Clips that are taken of each video.
    backend (`str`, *optional*):
        What decodes video files: `"pyav"`, `"decord"` or `"torchcodec"`.
    frame_order (`str`, *optional*, defaults to `"natural"`):
        Order of the frames of a folder: `"natural"` or `"name"`.
    """

    sampling_rate: int | None
    num_segments: int | None
    backend: str | None
    frame_order: str | None


class LGIFormerVideoProcessor(ProcessorSavedWithCode, BaseVideoProcessor):
    r"""
    Turns videos into the `pixel_values` that LGI-Former takes: samples frames as MAE-DFER evaluates, decodes only
    these, resizes them to a square without keeping the aspect, rescales to [0, 1] and normalises.

    Every `sampling_rate`-th frame of a video is taken. The last one is repeated until there are `num_frames`. Clips
    are `num_segments` windows of `num_frames`, spread evenly, or a single window in the middle. Short videos are
    padded and never refused.

    Frames are resized by Pillow, as in the published evaluation: with antialiasing where they shrink, and rounded to
    whole grey levels. The result is the same on every device and for every dtype of the frames. Frames whose pixels
    are not whole grey levels are resized in the same way but not rounded.

    Every setting can be given here, and again in a call for that call alone; `None` stands for "as set up".

    Args:
        size (`dict[str, int]`, defaults to `{"height": 160, "width": 160}`):
            Height and width of the output in pixels.
        resample (`PILImageResampling`, defaults to `BILINEAR`):
            Pillow's filter, any of the six.
        image_mean, image_std (`list[float]`, default to ImageNet's):
            Mean and standard deviation of the channels, for pixels in [0, 1].
        num_frames (`int`, defaults to 16):
            Frames of a clip.
        sampling_rate (`int`, defaults to 4):
            Step between the frames of a clip, in frames of the video. MAE-DFER uses 1 for FERV39k.
        num_segments (`int`, defaults to 1):
            Clips that are taken of each video. MAE-DFER averages its predictions over 2.
        backend (`str`, *optional*):
            What decodes video files: `"pyav"`, `"decord"` or `"torchcodec"`. By default it is PyAV, which finds every
            frame exactly and shows it as players do. decord may return other frames than those it was asked for (in
            AVI, MPEG-TS and WMV, and where B-frames open a group of pictures), and ignores what `FrameConverter` does.
        frame_order (`str`, defaults to `"natural"`):
            Order of the frames of a folder or archive. `"natural"`: 2.png before 10.png. `"name"`: 10.png before
            2.png, as the published code sorts. Names with leading zeros come in the same order either way.
        do_resize, do_rescale, do_normalize, do_convert_rgb, do_sample_frames (`bool`, default to `True`):
            Switch single steps off. Without `do_sample_frames` the frames of a video are one clip, as they are.

    Raises:
        ValueError: If a count is not a positive whole number, the backend or frame order is unknown, or `fps` is
            given: it is `sampling_rate` that determines which frames are taken.

    Example:

    ```python
    >>> import numpy as np
    >>> from lgi_former import LGIFormerVideoProcessor

    >>> processor = LGIFormerVideoProcessor(num_segments=2)
    >>> long, short = np.zeros((100, 48, 64, 3), dtype=np.uint8), np.zeros((10, 3, 96, 96), dtype=np.uint8)
    >>> inputs = processor([long, short], return_tensors="pt")
    >>> inputs["pixel_values"].shape, inputs["video_index"]
    (torch.Size([4, 16, 3, 160, 160]), tensor([0, 0, 1, 1]))

    ```
    """

    resample = PILImageResampling.BILINEAR
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    size = {"height": 160, "width": 160}
    do_resize = True
    do_center_crop = False
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    do_convert_rgb = True
    do_sample_frames = True
    num_frames = 16
    sampling_rate = 4
    num_segments = 1
    backend = None
    frame_order = "natural"
    model_input_names = ["pixel_values"]
    valid_kwargs = LGIFormerVideoProcessorKwargs

    def __init__(self, **kwargs: Unpack[LGIFormerVideoProcessorKwargs]):
        check_settings(kwargs)
        super().__init__(**kwargs)

    def preprocess(
        self, videos: VideoInput | os.PathLike, **kwargs: Unpack[LGIFormerVideoProcessorKwargs]
    ) -> BatchFeature:
        """
        Process one or several videos.

        Args:
            videos: A path (`str` or `Path`) or URL of a video file, a folder of frames (`*.jpg`, `*.png`, `*.webp`,
                ..., in their `frame_order`) or an image; a list of PIL images (one video); an array or tensor of 4
                dimensions (one video) or 5 (several), channels second or last; or a list of any of these, mixed. A
                flat list of paths is a list of videos. Pixels are 0 to 255, whatever the dtype: if yours are 0 to 1,
                pass `do_rescale=False`.
            **kwargs: Settings for this call alone. Further ones are `return_tensors` (`"pt"` or `"np"`), `device` to
                compute on, `return_metadata`, `input_data_format` for arrays whose shape is ambiguous.

        Returns:
            `BatchFeature` with `pixel_values`, float (clips, num_frames, 3, height, width). If `num_segments` is more
            than 1 also `video_index`, int64 (clips,): which video a clip is of; clips of a video are adjacent. If
            `return_metadata`, also `video_metadata`, one `VideoMetadata` for each clip.

        Raises:
            ValueError: If a setting is impossible, the backend is not installed, or `videos` is none of the above.
            VideoReadError: If a video cannot be read (a `ValueError`, too).
        """
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        check_settings(kwargs)
        videos = split_into_videos(videos, kwargs.pop("input_data_format", self.input_data_format))
        backend, frame_order = (kwargs.get(name, getattr(self, name)) for name in ("backend", "frame_order"))
        videos = [_Source(video, backend, frame_order) if isinstance(video, str) else video for video in videos]
        return super().preprocess(videos, input_data_format=ChannelDimension.FIRST, **kwargs)

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        sampling_rate: int | None = None,
        num_segments: int | None = None,
        **kwargs,
    ) -> np.ndarray:
        """Indices of the frames to take of `metadata.total_num_frames`, int64 (num_segments, num_frames)."""
        return evaluation_frame_indices(
            metadata.total_num_frames,
            num_frames or self.num_frames,
            sampling_rate or self.sampling_rate,
            num_segments or self.num_segments,
        )

    def fetch_videos(
        self,
        video_url_or_urls: str | list[str],
        sample_indices_fn: Callable | None = None,
        backend: str | None = None,
        frame_order: str | None = None,
    ) -> tuple[np.ndarray, VideoMetadata] | list[tuple]:
        """Read a video, or a list of them, as `read_video` does. Without `sample_indices_fn`, all frames, one clip."""
        reading = {"backend": backend or self.backend, "frame_order": frame_order or self.frame_order}
        if isinstance(video_url_or_urls, list):
            videos = [self.fetch_videos(video, sample_indices_fn, **reading) for video in video_url_or_urls]
            return list(zip(*videos, strict=True))
        return read_video(video_url_or_urls, sample_indices_fn or every_frame, **reading)

    def _decode_and_sample_videos(
        self,
        videos: list["_Source | torch.Tensor"],
        video_metadata: VideoMetadataType | None,
        do_sample_frames: bool | None = None,
        sample_indices_fn: Callable | None = None,
    ) -> tuple[list[torch.Tensor], list[VideoMetadata]]:
        """Tensors (clips, frames, channels, height, width), one a video, and metadata, one a clip."""
        known = make_batched_metadata(videos, video_metadata) if video_metadata else [None] * len(videos)
        sampled_videos, clip_metadata = [], []
        for video, metadata in zip(videos, known, strict=True):
            if isinstance(video, _Source):
                frames, metadata = self.fetch_videos(video.path, sample_indices_fn, video.backend, video.frame_order)
                clips = rearrange(torch.from_numpy(frames), "s t h w c -> s t c h w")
            else:
                clips, metadata = _sample_tensor(video, metadata, sample_indices_fn or every_frame)
            sampled_videos.append(clips)
            clip_metadata += [replace(metadata, frames_indices=indices) for indices in metadata.frames_indices]
        return sampled_videos, clip_metadata

    def resize(
        self,
        image: torch.Tensor,
        size: SizeDict,
        resample: PILImageResampling | tv_functional.InterpolationMode | int | None = None,
        antialias: bool = True,
    ) -> torch.Tensor:
        """Resize frames (..., channels, height, width) of any dtype as Pillow does; float32 comes back.

        Raises:
            ValueError: If `resample` is no filter of Pillow, or `antialias` is false, which Pillow cannot do.
        """
        if not antialias:
            raise ValueError("antialias=False is not supported: frames are resized by Pillow, which antialiases.")
        shape = torch.empty((1, *image.shape[-2:]), device="meta")
        height, width = super().resize(shape, size).shape[-2:]
        return resize_frames(image, height, width, pillow_filter(resample)).float()

    def _resize_in_levels(self, video: torch.Tensor, size: SizeDict, resample, level: float) -> torch.Tensor:
        """Resize frames in which a grey level is `level`, so that whole levels are resized like those of uint8."""
        if level != 1 and video.is_floating_point():
            levels = (video / level).round()
            if levels.min() >= 0 and levels.max() <= 255 and torch.allclose(levels * level, video, atol=1e-3 * level):
                return self.resize(levels.to(torch.uint8), size, resample) * level
        return self.resize(video, size, resample)

    def _preprocess(
        self,
        videos: list[torch.Tensor],
        num_segments: int,
        do_resize: bool,
        size: SizeDict,
        resample: PILImageResampling | tv_functional.InterpolationMode | int | None,
        do_rescale: bool,
        rescale_factor: float,
        return_tensors: str | TensorType | None = None,
        **kwargs,
    ) -> BatchFeature:
        for video in videos if do_rescale else []:
            check_range(video)
        if kwargs.get("do_convert_rgb"):  # up to Transformers 5.17; later ones have done it before, video by video
            videos = [self.convert_to_rgb(video) for video in videos]
        if (
            do_resize
        ):  # one by one, because stacking videos of different dtypes would convert whole grey levels to floats
            level = 1 if do_rescale else rescale_factor
            videos = [self._resize_in_levels(video, size, resample, level) for video in videos]
        processed = super()._preprocess(
            videos,
            do_resize=False,
            size=size,
            resample=resample,
            do_rescale=do_rescale,
            rescale_factor=rescale_factor,
            **kwargs,
        )["pixel_values_videos"]
        clips = [clip for video in processed for clip in video]
        if return_tensors is not None and len({clip.shape for clip in clips}) > 1:
            raise ValueError(
                f"Clips of different shapes, {tuple(clips[0].shape)} and others, do not fit into one tensor. Leave "
                "do_sample_frames and do_resize on, or process these videos one at a time."
            )
        data = {"pixel_values": clips}
        if num_segments > 1:
            data["video_index"] = [index for index, video in enumerate(processed) for _ in video]
        return BatchFeature(data, tensor_type=return_tensors)


def processor_for(config: PreTrainedConfig, **sampling) -> LGIFormerVideoProcessor:
    """The processor that makes clips for a model, LGI-Former or another with `image_size` and `num_frames`.

    Args:
        config: The model's configuration.
        sampling: Settings of the processor, such as `sampling_rate` and `num_segments`.
    """
    size = {"height": config.image_size, "width": config.image_size}
    return LGIFormerVideoProcessor(size=size, num_frames=config.num_frames, **sampling)


def reading_of(processor: BaseVideoProcessor) -> dict:
    """How a processor of any family reads videos: `backend` and `frame_order`, as `read_video` takes them."""
    if not hasattr(processor, "frame_order"):  # the `backend` of other families is what resizes their frames
        return {"backend": None, "frame_order": "natural"}
    return {"backend": processor.backend, "frame_order": processor.frame_order}


def every_frame(metadata: VideoMetadata) -> np.ndarray:
    """Indices of all frames of a video, as `read_video` asks for them: int64 (1, frames), one clip."""
    return np.arange(metadata.total_num_frames)[None]


class _Source(NamedTuple):
    """A video that is to be read, and the settings of the call for it."""

    path: str
    backend: str | None
    frame_order: str


def _sample_tensor(
    video: torch.Tensor, metadata: VideoMetadata | None, sample_indices_fn: Callable
) -> tuple[torch.Tensor, VideoMetadata]:
    metadata = replace(
        metadata or VideoMetadata(len(video)),
        total_num_frames=len(video),
        height=video.shape[-2],
        width=video.shape[-1],
    )
    metadata.frames_indices = sample_indices_fn(metadata=metadata)
    return video[torch.from_numpy(metadata.frames_indices)], metadata
