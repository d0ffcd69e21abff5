"""Loads the model of `lgi-former predict`, and names the settings of its predictions."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from .. import conversion, image_processing
from ..hub.answer_kind import AnswerKind
from ..image_processing.decoding.decoder_backends import chosen_backend
from ..inference import ExportedModel
from ..inference.loading import load_classifier
from ..inference.prediction import answer_kind
from ..messages import first_line, note
from .options import section_of


class LoadedModel(NamedTuple):
    """A classifier with what its predictions need."""

    model: PreTrainedModel | ExportedModel
    processor: BaseVideoProcessor
    cropper: image_processing.FaceCropper | None  # None if faces are not to be cropped
    kind: AnswerKind
    folder: str  # or the name of a repository


def load_model(args) -> LoadedModel:
    """Load the model that the options name.

    The settings of reading are checked first: a wrong time or a missing backend is refused once, not for each video.

    Raises:
        FacesExtraMissingError: If faces are to be cropped and the extra `faces` is not installed.
        ValueError: If a setting is impossible, or the model cannot be loaded.
    """
    section_of(args)
    if args.backend is not None:
        chosen_backend(args.backend)
    with loading_errors(args.model):
        cropper = None if args.no_crop_faces else image_processing.FaceCropper(align=not args.no_align)
        folder = conversion.model_folder(args.model, args.revision)
        model, processor = load_classifier(folder, args.device)
        if cropper is not None and model.device.type == "cuda" and args.data is None:
            _detect_on(model.device, cropper)  # with --data, processes find faces, on the CPU
        return LoadedModel(model, processor, cropper, answer_kind(model.config), folder)


def _detect_on(gpu, cropper: image_processing.FaceCropper):
    """Find faces on the GPU of the model if ONNX Runtime can use it, else on the CPU with a note."""
    try:
        cropper.detector = image_processing.CenterFaceDetector(device=gpu)
    except ValueError as error:
        note(f"Faces are found on the CPU. {error}")


@contextlib.contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Turn the errors of the many libraries that take part in loading a model into a `ValueError` with its name."""
    try:
        yield
    except image_processing.FacesExtraMissingError:
        raise
    except Exception as error:
        message = first_line(error)
        prefix = "" if name in message else f"{name}: "
        raise ValueError(f"cannot load the model: {prefix}{message}") from error


def reading_given(args) -> dict:
    """The settings of reading that the options give."""
    given = {"backend": args.backend, "frame_order": args.frame_order, "stream": args.stream}
    return {name: value for name, value in given.items() if value is not None}


def pipeline_settings(args) -> dict:
    """The settings of `FacialExpressionPipeline` on which results depend."""
    names = ("window", "stride", "backend", "frame_order")
    settings = (
        {"crop_faces": not args.no_crop_faces} | {name: getattr(args, name) for name in names} | section_of(args)
    )
    if not args.no_crop_faces:
        settings["identify"] = args.identify
    if args.num_segments is None:
        settings["cuts"] = not args.no_cuts
    return settings
