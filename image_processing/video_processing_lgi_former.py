"""Video processor class for LGI-Former."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import numpy as np
import torch
from einops import rearrange
from torchvision.transforms.v2 import functional as tv_functional
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    ChannelDimension,
    PILImageResampling,
    SizeDict,
)
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.utils import TensorType, logging
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoInput, VideoMetadata, VideoMetadataType, make_batched_metadata

from ..saving import ProcessorSavedWithCode
from .decoding.frame_clips import clips_of_decoder, clips_of_tensor
from .decoding.local_videos import has_content, local_video
from .decoding.section import Sampling, Section, check_frame_rate
from .decoding.video_decoding import read_video
from .decoding.video_inputs import split_into_videos
from .decoding.video_streams import check_stream_number, refuse_stream
from .frame_sampling import evaluation_frame_indices, every_frame
from .pixel_range import check_range
from .processor_settings import check_settings
from .resizing import pillow_filter, resize_frames


logger = logging.get_logger(__name__)


class LGIFormerVideoProcessorKwargs(VideosKwargs, total=False):
    """The settings that only `LGIFormerVideoProcessor` has. The class documents them."""

    sampling_rate: int | None
    sampling_frame_rate: float | int | None
    num_segments: int | None
    backend: str | None
    frame_order: str | None


class LGIFormerVideoProcessor(ProcessorSavedWithCode, BaseVideoProcessor):
    r"""
    Makes `pixel_values` of videos, as MAE-DFER does for evaluation:

    1. Sample frames. Take every `sampling_rate`-th frame, and repeat the last one until there are `num_frames`. Clips
       are `num_segments` windows of `num_frames` frames, spread evenly. A single window is in the middle.
    2. Decode only these frames.
    3. Resize them with Pillow, without preserving the aspect ratio. The result is the same on every device.
    4. Rescale them to [0, 1], and normalise them.

    Steps are counted in frames of the video, as in the published code. With `sampling_frame_rate`, they are counted in
    time. Then videos of all frame rates give the same moments.

    Every setting can be given here, or to a call for that call alone. `None` means the processor's setting.

    Args:
        size (`dict[str, int]`, defaults to `{"height": 160, "width": 160}`):
            Height and width of the output in pixels.
        resample (`PILImageResampling`, defaults to `BILINEAR`):
            One of Pillow's six filters.
        image_mean, image_std (`list[float]`, default to ImageNet's):
            Mean and standard deviation of the channels, for pixels in [0, 1].
        num_frames (`int`, defaults to 16):
            Frames of a clip.
        sampling_rate (`int`, defaults to 4):
            Step between the frames of a clip, in frames of the video. MAE-DFER uses 1 for FERV39k.
        sampling_frame_rate (`float`, *optional*):
            Count `sampling_rate` in time: as if every video had so many frames per second. With 25 and a
            `sampling_rate` of 4, the frames of a clip are 0.16 seconds apart. Videos of the training corpora have 25.
            The default counts frames of the video, as MAE-DFER does.
        num_segments (`int`, defaults to 1):
            Clips of each video. MAE-DFER averages its predictions over 2.
        backend (`str`, *optional*):
            Decoder of video files: `"pyav"`, `"decord"` or `"torchcodec"`. The default is PyAV, which is exact and
            shows frames as players do. decord may return other frames in AVI, MPEG-TS and WMV, and if B-frames open a
            group of pictures. It also ignores rotation, interlacing and other properties that PyAV respects.
        frame_order (`str`, defaults to `"natural"`):
            Order of the frames of a folder or archive. `"natural"`: 2.png before 10.png. `"name"`: 10.png before
            2.png, as the published code sorts. Names with leading zeros have the same order in both.
        do_resize, do_rescale, do_normalize, do_convert_rgb, do_sample_frames (`bool`, default to `True`):
            Whether to take these steps. Without `do_sample_frames`, all frames of a video are one clip.

    Raises:
        ValueError: If a count is not a positive whole number, a frame rate is not positive, the backend or frame
            order is unknown, or a switch is not a bool.
        ValueError: If `fps` is given, because `sampling_rate` decides the frames.

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
    sampling_frame_rate = None
    num_segments = 1
    backend = None
    frame_order = "natural"
    model_input_names = ["pixel_values"]
    valid_kwargs = LGIFormerVideoProcessorKwargs

    def __init__(self, **kwargs: Unpack[LGIFormerVideoProcessorKwargs]):
        check_settings(kwargs)
        always_set = ("num_frames", "sampling_rate", "num_segments", "frame_order")
        super().__init__(**{name: each for name, each in kwargs.items() if each is not None or name not in always_set})

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, *args, _from_pipeline=None, **kwargs):
        """Load a processor as Transformers does. Warn if its pipeline would score the first of several clips only."""
        options = {**kwargs, "_from_pipeline": _from_pipeline}
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **options)
        num_segments = (loaded[0] if isinstance(loaded, tuple) else loaded).num_segments or 1
        if _from_pipeline == "video-classification" and num_segments > 1:
            logger.warning(
                f"The processor makes {num_segments} clips of each video, but the pipeline video-classification "
                "scores only the first. The pipeline facial-expression-recognition averages them. Or pass "
                "video_processor=AutoVideoProcessor.from_pretrained(..., num_segments=1), which takes the middle."
            )
        return loaded

    def preprocess(
        self,
        videos: VideoInput | os.PathLike | Mapping | bytes | BinaryIO,
        *,
        start: float | str | None = None,
        end: float | str | None = None,
        stream: int | None = None,
        frame_rate: float | None = None,
        frame_times: bool = False,
        **kwargs: Unpack[LGIFormerVideoProcessorKwargs],
    ) -> BatchFeature:
        """
        Process one or several videos.

        Args:
            videos: One of these, or a list of them, which may be mixed:

                - the path or URL of a video file, an image, or a folder of images (`*.jpg`, `*.png`, `*.webp`, ...)
                - the content of such a file: bytes, or a file that is open for reading bytes
                - a video of the library `datasets`: a dictionary with `"bytes"` or `"path"` (the bytes win), or a
                  decoded video (`torchcodec.decoders.VideoDecoder`), whose file is decoded with this `backend`
                - a list of frames (PIL images or arrays of 3 dimensions), or a single frame
                - an array or tensor (frames, channels, height, width) or (frames, height, width, channels), or with 5
                  dimensions for several videos

                Pixels are 0 to 255 for every dtype. Pass `do_rescale=False` if yours are 0 to 1.
            start, end: The section of each video: seconds from its first frame, or "1:30" (mm:ss) or "1:02:03.5"
                (hh:mm:ss). Clips are sampled from the frames that are shown between these times, as if the section
                were the video. The default is the whole video.
            stream: Number of the video stream in files with several, as FFmpeg counts. The default is the first one
                that is not a cover picture.
            frame_rate: Frames per second of folders, images and arrays. The default is 25.
            frame_times: Whether the metadata get `frame_times`, as from `read_video`. AVI files are decoded for this.
            **kwargs: Settings for this call. Further ones are `return_tensors` (`"pt"` or `"np"`), the `device` for
                the computation, `return_metadata`, and `input_data_format` for arrays with an ambiguous shape.

        Returns:
            `BatchFeature` with `pixel_values`, float32 (clips, num_frames, 3, height, width). The clips of a video are
            adjacent. With several segments also `video_index`, int64 (clips,), the number of each clip's video. With
            `return_metadata` also `video_metadata`, a `VideoMetadata` for each clip.

        Raises:
            ValueError: If a setting is impossible, the backend is not installed, or `videos` has another type.
            VideoReadError: If a video cannot be read, ends before the section starts, or has no such stream. It is a
                `ValueError`.
        """
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        check_settings(kwargs)
        check_frame_rate("frame_rate", frame_rate)
        check_stream_number(stream)
        videos = split_into_videos(videos, kwargs.pop("input_data_format", self.input_data_format))
        reading = {name: kwargs.get(name, getattr(self, name)) for name in ("backend", "frame_order")}
        reading |= {"start": start, "end": end, "stream": stream, "frame_rate": frame_rate, "frame_times": frame_times}
        reading["sampling_frame_rate"] = kwargs.get("sampling_frame_rate", self.sampling_frame_rate)
        if not kwargs.get("do_sample_frames", self.do_sample_frames):
            reading["sampling_frame_rate"] = None
        readers = [self._reader(video, reading) for video in videos]
        return super().preprocess(readers, input_data_format=ChannelDimension.FIRST, **kwargs)

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        sampling_rate: int | None = None,
        num_segments: int | None = None,
        **kwargs,
    ) -> np.ndarray:
        """Indices of the sampled frames of a video with `metadata.total_num_frames`: int64 (clips, num_frames)."""
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
        **reading,
    ) -> tuple[np.ndarray, VideoMetadata] | list[tuple]:
        """Read a video or a list of videos with `read_video`, which describes the settings of `reading`.

        Without `sample_indices_fn`, all frames are one clip.
        """
        reading |= {"backend": backend or self.backend, "frame_order": frame_order or self.frame_order}
        if sample_indices_fn is not None:
            reading.setdefault("sampling_frame_rate", self.sampling_frame_rate)
        if isinstance(video_url_or_urls, list):
            videos = [self.fetch_videos(video, sample_indices_fn, **reading) for video in video_url_or_urls]
            return list(zip(*videos, strict=True))
        return read_video(video_url_or_urls, sample_indices_fn or every_frame, **reading)

    def _decode_and_sample_videos(
        self,
        videos: list[partial],
        video_metadata: VideoMetadataType | None,
        do_sample_frames: bool | None = None,
        sample_indices_fn: Callable | None = None,
    ) -> tuple[list[torch.Tensor], list[VideoMetadata]]:
        """Call the readers of `preprocess`.

        Returns:
            (clips, frames, channels, height, width) for each video, and metadata for each clip.
        """
        known = make_batched_metadata(videos, video_metadata) if video_metadata else [None] * len(videos)
        sampled_videos, clip_metadata = [], []
        for read, metadata in zip(videos, known, strict=True):
            clips, metadata = read(metadata, sample_indices_fn or every_frame)
            sampled_videos.append(clips)
            clip_metadata += [replace(metadata, frames_indices=indices) for indices in metadata.frames_indices]
        return sampled_videos, clip_metadata

    def _reader(self, video, reading: dict) -> partial:
        """A function from metadata and `sample_indices_fn` to clips and metadata, for an entry of one video."""
        if isinstance(video, str):
            return partial(self._clips_of_file, video, **reading)
        if has_content(video):
            return partial(self._clips_of_content, video, **reading)
        refuse_stream(reading["stream"], "The video", "it is not a video file")
        sampling = Sampling(Section.of(reading["start"], reading["end"]), reading["sampling_frame_rate"])
        read = clips_of_tensor if isinstance(video, torch.Tensor) else clips_of_decoder
        return partial(read, video, sampling=sampling, frame_rate=reading["frame_rate"])

    def _clips_of_content(self, video, *args, **reading) -> tuple[torch.Tensor, VideoMetadata]:
        with local_video(video) as path:
            return self._clips_of_file(path, *args, **reading)

    def _clips_of_file(
        self, path: str, metadata: VideoMetadata | None, sample_indices_fn: Callable, **reading
    ) -> tuple[torch.Tensor, VideoMetadata]:
        frames, metadata = self.fetch_videos(path, sample_indices_fn, **reading)
        return rearrange(torch.from_numpy(frames), "s t h w c -> s t c h w"), metadata

    def resize(
        self,
        image: torch.Tensor,
        size: SizeDict,
        resample: PILImageResampling | tv_functional.InterpolationMode | int | None = None,
        antialias: bool = True,
    ) -> torch.Tensor:
        """Resize frames (..., channels, height, width) of any dtype with Pillow. Returns float32.

        Raises:
            ValueError: If Pillow has no filter `resample`, or `antialias` is false, which Pillow cannot do.
        """
        if not antialias:
            raise ValueError("antialias=False is not supported: frames are resized by Pillow, which antialiases.")
        shape = torch.empty((1, *image.shape[-2:]), device="meta")
        height, width = super().resize(shape, size).shape[-2:]  # `size` may also give the shortest edge, for example
        return resize_frames(image, height, width, pillow_filter(resample)).float()

    def _resize_levels(self, video: torch.Tensor, size: SizeDict, resample, level: float) -> torch.Tensor:
        """Resize frames. If all pixels are multiples of `level`, Pillow rounds to such multiples, as for uint8."""
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
        do_center_crop: bool,
        crop_size: SizeDict,
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: tuple[float, ...],
        image_std: tuple[float, ...],
        do_convert_rgb: bool = False,
        return_tensors: str | TensorType | None = None,
        **kwargs,
    ) -> BatchFeature:
        """Change the pixels of videos (clips, frames, channels, height, width), one video after the other."""
        clips, video_index = [], []
        for index, video in enumerate(videos):
            if do_rescale:
                check_range(video)
            if do_convert_rgb:  # Transformers 5.17 and earlier; later releases convert before this method
                video = self.convert_to_rgb(video)
            if do_resize:
                video = self._resize_levels(video, size, resample, level=1 if do_rescale else rescale_factor)
            if do_center_crop:
                video = self.center_crop(video, crop_size)
            clips += self.rescale_and_normalize(video, do_rescale, rescale_factor, do_normalize, image_mean, image_std)
            video_index += [index] * len(video)
        if return_tensors is not None and len({clip.shape for clip in clips}) > 1:
            raise ValueError(
                f"Clips of different shapes, {tuple(clips[0].shape)} and others, do not fit into one tensor. Leave "
                "do_sample_frames and do_resize on, or process these videos one at a time."
            )
        data = {"pixel_values": clips} | ({"video_index": video_index} if num_segments > 1 else {})
        return BatchFeature(data, tensor_type=return_tensors)
