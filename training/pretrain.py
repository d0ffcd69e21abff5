"""`lgi-former pretrain`: masked autoencoding of unlabelled videos. Also for `accelerate launch -m`."""

import sys
from dataclasses import dataclass, field

from transformers import set_seed

from ..hub.model_card import ModelFacts
from ..image_processing import processor_for
from ..image_processing.augmentation import PretrainingAugmentation
from ..image_processing.training_frame_sampling import pretraining_frame_indices
from ..messages import announce_if_slow, words_to_finetune
from .data.clips import frame_sampling
from .data.skipped_videos import SkippedVideos
from .run.arguments import DataArguments, ModelArguments, RecipeTrainingArguments
from .run.entry_point import run_entry_point
from .run.lifecycle import only_run_in, publish, report_skipped, report_written, train_and_save
from .run.run_data import check_videos, count_videos, open_training_videos, training_clips
from .run.starting_commit import pin_starting_model
from .run.starting_model import load_model_to_pretrain, make_masking
from .run.trainers import pretraining_trainer


@dataclass
class PretrainingArguments(DataArguments):
    """Options of pre-training: the masking and the crop."""

    mask_ratio: float = field(default=0.9, metadata={"help": "Share of the tokens of a region that are masked."})
    decoder_mask_ratio: float | None = field(
        default=None,
        metadata={
            "help": "Share of the masked tokens that the decoder leaves out, which makes steps shorter (default: the "
            "model's, 0 for a new one)."
        },
    )
    mask_symmetry: str | None = field(
        default=None,
        metadata={
            "help": "Show tokens on only one half of each window. The half is drawn once for a clip (global) or "
            "for each window (local).",
            "choices": ["global", "local"],
        },
    )
    # Parsed below: argparse has no type for an option that is `none` or numbers.
    crop: list[str] | None = field(
        default=None,
        metadata={"help": "Part of the frames to use: top, left, height and width in pixels, or none."},
    )
    crop_frame_size: list[str] | None = field(
        default=None,
        metadata={
            "help": "Height and width in pixels of the frames that --crop fits, or none. Frames of another size are "
            "refused."
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if _words(self.crop) == NONE:
            self.crop_frame_size = None
        self.crop = _pixels("crop", self.crop, ("top", "left", "height", "width"))
        self.crop_frame_size = _pixels("crop_frame_size", self.crop_frame_size, ("height", "width"))
        _check_crop_frame_size(self.crop, self.crop_frame_size)


NONE = ["none"]


def _words(value) -> list[str] | None:
    """The words of an option in lower case, from a recipe or the command line."""
    if value is None:
        return None
    return [str(word).lower() for word in (value if isinstance(value, (list, tuple)) else [value])]


def _pixels(option: str, value, names: tuple[str, ...]) -> list[int] | None:
    """Parse an option of whole numbers; None for `none`.

    Raises:
        ValueError: If these are not as many whole numbers as `names`, or a size is 0.
    """
    values = _words(value)
    if values is None or values == NONE:
        return None
    is_valid = len(values) == len(names) and all(
        number.isascii() and number.isdigit() and (int(number) > 0 or name in ("top", "left"))
        for number, name in zip(values, names, strict=True)
    )
    if not is_valid:
        raise ValueError(
            f"{option}={' '.join(values)} must be {len(names)} whole numbers of pixels ({', '.join(names)}), or none."
        )
    return list(map(int, values))


def _check_crop_frame_size(crop: list[int] | None, frame_size: list[int] | None):
    """Check that the crop lies within frames of this size.

    Raises:
        ValueError: If it does not, or there is no crop.
    """
    if frame_size is None:
        return
    if crop is None:
        raise ValueError("crop_frame_size needs crop. Set crop, or do not set crop_frame_size.")
    if crop[0] + crop[2] > frame_size[0] or crop[1] + crop[3] > frame_size[1]:
        raise ValueError(f"crop={crop} reaches beyond crop_frame_size={frame_size}. Choose a crop inside it.")


ON_CARD = ("mask_ratio", "mask_symmetry", "crop")
"""Options above that are listed on the model card."""


def pretrain(model_arguments: ModelArguments, data: PretrainingArguments, training: RecipeTrainingArguments) -> int:
    """Pre-train LGI-Former or VideoMAE by masked autoencoding, on videos without labels.

    Returns:
        The exit status of the command.

    Raises:
        ValueError, OSError: If an option, the model or the data are wrong.
        RuntimeError: If too many videos cannot be read, or the loss is not finite.
    """
    with only_run_in(training):
        return _pretrain(model_arguments, data, training)


def _pretrain(model_arguments: ModelArguments, data: PretrainingArguments, training: RecipeTrainingArguments) -> int:
    with announce_if_slow("Opening the videos ..."):
        videos = open_training_videos(data, with_labels=False)
    if data.check_data:
        return check_videos([videos], data, training)
    set_seed(training.seed)
    with announce_if_slow("Loading the model ..."):
        model_arguments = pin_starting_model(model_arguments, training)
        start = load_model_to_pretrain(model_arguments, data.mask_ratio, data.decoder_mask_ratio)
        model, sampling = start.model, start.sampling(data)
    skipped = SkippedVideos(training.output_dir, count_videos(videos, training=training), data.max_skipped_fraction)
    clips = training_clips(
        videos,
        PretrainingAugmentation(model.config.image_size, data.crop, data.crop_frame_size),
        frame_sampling(pretraining_frame_indices, model.config.num_frames, sampling["sampling_rate"]),
        label_names=None,
        arguments=data,
        training=training,
        skipped=skipped,
        sampling_frame_rate=sampling["sampling_frame_rate"],
    )
    trainer = pretraining_trainer(
        model,
        training,
        clips,
        make_masking(model.config, data.mask_ratio, data.mask_symmetry),
        processor_for(model.config, **sampling, **data.reading),
        ModelFacts(
            base_model=model_arguments.model_name_or_path,
            base_revision=model_arguments.revision,
            dataset=data.dataset_name,
            hyperparameters={
                **{name: value for name, value in sampling.items() if value is not None},
                "decoder_mask_ratio": getattr(model.config, "decoder_mask_ratio", None),
                **{name: getattr(data, name) for name in ON_CARD},
            },
        ),
    )
    train_and_save(trainer)
    publish(trainer)
    report_skipped(trainer, skipped)
    report_written(training, False, *words_to_finetune(training.output_dir))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, or with the arguments of the process. Returns the exit status."""
    return run_entry_point(pretrain, ModelArguments, PretrainingArguments, RecipeTrainingArguments, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
