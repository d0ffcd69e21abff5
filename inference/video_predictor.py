"""Predicts the videos of a batch of rows, on one of many machines."""

import functools
import json
import math

import pandas as pd
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub.answer_kind import SEPARATOR, AnswerKind
from ..image_processing.decoding.local_videos import is_address
from ..image_processing.decoding.video_sources import is_file_url, is_url
from .batch_mapper import NO_PATH, BatchMapper, table
from .exported_model import ExportedModel
from .loading import load_classifier
from .many_videos import predict_videos
from .prediction import answer_kind


class VideoPredictor(BatchMapper):
    """
    Recognises the expressions in the videos of a batch of rows. A batch is a dictionary of columns or a
    `pandas.DataFrame`, so that Ray Data, Spark and `datasets` can call it. Each process loads the model once, at its
    first batch.

    A call adds these columns. One broken video does not stop the others.

    - `error` (`str`): Why the video failed, in a sentence. Empty if it did not.
    - `note` (`str`): What is unusual in the video, such as that no face was found. Usually empty.
    - `duration` (`float`): Seconds of the video. NaN if it failed, and with `num_segments`.
    - `people` (`float`): Number of people. NaN if the video failed, and with `num_segments`.
    - `expression` (`str`): The predicted labels, separated by ";". Empty for quantities, and without a face.
    - A column for each label (`float`): Its score, or the value of a quantity. NaN if there is none. If the batch has
      a column with this name, it is called "score of ..." or "value of ...".
    - `windows` (`str`): The `timeline` of `FacialExpressionPipeline` as JSON.

    Args:
        model: Folder or Hub repository of a fine-tuned classifier, or folder of an exported one.
        column: The column with the paths or addresses of the videos. All addresses of fsspec work, such as `s3://`.
        revision: Branch, tag or commit of a Hub repository.
        device: Device of the model. The default is the accelerator, or else the CPU.
        settings: Those of `predict_videos`, such as `batch_size`, `num_workers`, `crop_faces`, `window`, `stride`.

    Raises:
        OSError, ValueError: From a call, if the model cannot be loaded, or a setting is impossible.
        TypeError: From a call, if there is no such setting.

    Example:

    ```python
    >>> import pandas as pd
    >>> import tempfile
    >>> from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification
    >>> from lgi_former import LGIFormerVideoProcessor, VideoPredictor

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     LGIFormerForVideoClassification(LGIFormerConfig(num_hidden_layers=2)).save_pretrained(folder)
    ...     _ = LGIFormerVideoProcessor().save_pretrained(folder)
    ...     predict = VideoPredictor(folder, crop_faces=False)
    ...     predicted = predict(pd.DataFrame({"video": ["missing.mp4"]}))
    >>> predicted["error"].tolist()
    ["There is no file or folder 'missing.mp4'. Check the path."]

    ```
    """

    def __init__(
        self,
        model: str,
        column: str = "video",
        *,
        revision: str | None = None,
        device: str | None = None,
        **settings,
    ):
        super().__init__(column)
        self.model = model
        self.revision = revision
        self.device = device
        self.settings = settings

    def results(self, videos: list[str | None], names: list[str]) -> pd.DataFrame:
        model, processor = _loaded(self.model, self.revision, self.device)
        kind = answer_kind(model.config)
        titles = kind.titles({*names, *_row({}, kind, {})})
        rows = [_row({}, kind, titles, error=NO_PATH) for _ in videos]
        listed = [index for index, video in enumerate(videos) if video is not None]
        wanted = [_source(videos[index]) for index in listed]
        for outcome in predict_videos(model, processor, wanted, **self.settings):
            rows[listed[outcome.index]] = _row(outcome.result or {}, kind, titles, outcome.error or "")
        return table(rows, example=_row({}, kind, titles))


@functools.lru_cache(maxsize=1)
def _loaded(
    model: str, revision: str | None, device: str | None
) -> tuple[PreTrainedModel | ExportedModel, BaseVideoProcessor]:
    """The model and its processor. They are not attributes of `VideoPredictor`, which is copied to other processes."""
    name = model if revision is None else f"{model}@{revision}"
    return load_classifier(name, device)


def _source(video: str) -> str | dict[str, str]:
    """What reads a video. A dictionary also reads addresses of fsspec, such as `s3://`."""
    is_of_fsspec = is_address(video) and not is_url(video) and not is_file_url(video)
    return {"path": video} if is_of_fsspec else video


def _row(result: dict, kind: AnswerKind, titles: dict[str, str], error: str = "") -> dict:
    """The columns of a video, whose result is empty if it failed."""
    scores = result.get("scores") or {}
    return {
        "error": error,
        "note": result.get("note", ""),
        "duration": result.get("duration", math.nan),
        "people": float(len(result["people"])) if "people" in result else math.nan,
        "expression": SEPARATOR.join(kind.top(scores)) if scores else "",
        **{title: scores.get(label, math.nan) for label, title in titles.items()},
        "windows": json.dumps(result.get("timeline", [])),
    }
