"""`backend` and `frame_order` reach everything that reads videos for training and evaluation."""

import types

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from lgi_former import LGIFormerForVideoClassification
from lgi_former.image_processing import VideoReadError, read_video
from lgi_former.training.data import clips, data_check
from lgi_former.training.data.clip_stream import ClipStream
from lgi_former.training.data.clips import ClipDataset
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.evaluate import EvaluationArguments, load_for_evaluation
from lgi_former.training.finetune import FinetuningArguments
from lgi_former.training.pretrain import PretrainingArguments
from lgi_former.training.run.arguments import DataArguments, ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.recipe_parser import RecipeParser
from lgi_former.training.run.run_data import check_videos, training_clips


NATURAL, BY_NAME = [1, 2, 10], [1, 10, 2]


@pytest.fixture
def videos(tmp_path):
    """One folder with the frames 1.png, 2.png and 10.png, whose grey level is the number."""
    folder = tmp_path / "corpus" / "video"
    folder.mkdir(parents=True)
    for number in NATURAL:
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    return Dataset.from_dict({"video": [str(folder)]})


def all_frames(total_frames, generator):
    return np.arange(total_frames)


def numbers(clip, generator):
    return clip[:, 0, 0, 0].float()


def skipped_in(folder):
    return SkippedVideos(folder / "run", 1, 1.0)


@pytest.mark.parametrize(
    ("reading", "expected"),
    [(None, NATURAL), ({"frame_order": "natural"}, NATURAL), ({"frame_order": "name"}, BY_NAME)],
)
def test_training_reads_frames_in_the_order(videos, reading, expected, tmp_path):
    options = {"seed": 0, "skipped": skipped_in(tmp_path), "reading": reading}
    assert ClipDataset(videos, all_frames, numbers, **options)[0]["pixel_values"].tolist() == expected
    stream = ClipStream(videos.to_iterable_dataset(), all_frames, numbers, **options)
    assert next(iter(stream))["pixel_values"].tolist() == expected


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", [FinetuningArguments, PretrainingArguments])
def test_options_reach_the_clips(kind, streaming, videos, tmp_path):
    source = videos.to_iterable_dataset() if streaming else videos
    training = types.SimpleNamespace(seed=0, process_index=0, world_size=1)
    made = training_clips(
        *(source, numbers, all_frames),
        label_names=None,
        arguments=kind(frame_order="name", backend="decord"),
        training=training,
        skipped=skipped_in(tmp_path),
    )
    assert made.reading == {"backend": "decord", "frame_order": "name", "sampling_frame_rate": None}
    assert next(iter(made))["pixel_values"].tolist() == BY_NAME


def test_check_data_has_the_settings_of_training(videos, tmp_path, monkeypatch, capsys):
    asked = []

    def read(path, sample_indices_fn, **reading):
        asked.append(reading)
        return read_video(path, sample_indices_fn, **reading)

    monkeypatch.setattr(data_check, "read_video", read)
    training = types.SimpleNamespace(output_dir=str(tmp_path), dataloader_num_workers=0)
    assert check_videos([videos], DataArguments(frame_order="name", backend="decord"), training) == 0
    assert asked and all(reading == {"backend": "decord", "frame_order": "name"} for reading in asked)


def test_recipes_and_options_set_the_reading(tmp_path):
    (tmp_path / "recipe.yaml").write_text("frame_order: name\nbackend: decord\noutput_dir: run\n")
    kinds = (ModelArguments, FinetuningArguments, RecipeTrainingArguments)
    parser = RecipeParser(*kinds, prog="lgi-former finetune")
    _, data, _ = parser.parse([str(tmp_path / "recipe.yaml")])
    assert data.reading == {"backend": "decord", "frame_order": "name"}
    _, data, _ = parser.parse([str(tmp_path / "recipe.yaml"), "--frame_order", "natural", "--backend", "pyav"])
    assert data.reading == {"backend": "pyav", "frame_order": "natural"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_order": "random"}, "frame_order='random' must be 'natural' or 'name'"),
        ({"backend": "opencv"}, "backend='opencv' must be"),
    ],
)
def test_unknown_settings_are_refused_before_training(options, message):
    for kind in (DataArguments, FinetuningArguments, PretrainingArguments):
        with pytest.raises(ValueError, match=message):
            kind(**options)
    with pytest.raises(ValueError, match=message):
        EvaluationArguments(model="model", data="list.csv", **options)


def test_a_backend_that_is_missing_ends_the_run_instead_of_skipping_videos(videos, tmp_path, monkeypatch):
    def missing(*args, **kwargs):
        raise ValueError("The backend 'decord' is not installed.")

    monkeypatch.setattr(clips, "read_video", missing)
    dataset = ClipDataset(videos, all_frames, numbers, seed=0, skipped=skipped_in(tmp_path))
    with pytest.raises(ValueError, match="not installed") as raised:
        _ = dataset[0]
    assert not isinstance(raised.value, VideoReadError)


def test_evaluation_takes_settings_from_options_or_the_processor(save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["happy", "sad"])
    options = {"model": str(tmp_path / "model"), "data": "list.csv"}
    _, processor = load_for_evaluation(EvaluationArguments(**options))
    assert (processor.backend, processor.frame_order) == (None, "natural")
    _, processor = load_for_evaluation(EvaluationArguments(**options, backend="decord", frame_order="name"))
    assert (processor.backend, processor.frame_order) == ("decord", "name")
    processor.save_pretrained(tmp_path / "model")
    _, processor = load_for_evaluation(EvaluationArguments(**options))
    assert (processor.backend, processor.frame_order) == ("decord", "name")
