"""A video that an epoch visits more than once gives another clip at each visit."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value, Video, concatenate_datasets
from PIL import Image
from torch.utils.data import WeightedRandomSampler
from transformers import Trainer

from lgi_former import FinetuningCollator, LGIFormerVideoProcessor, TrainingTransform
from lgi_former.training.data.clips import ClipDataset, derived_seeds
from lgi_former.training.data.joined_sources import mixed_order
from lgi_former.training.data.repetitions import NumberedVisits, Repetition
from lgi_former.training.data.shard_order import BalancedOrder
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.data.transforms import numbers_of_videos
from lgi_former.training.quickstart.decoded_clips import DecodedClips
from lgi_former.training.trainer.data_loading import stop_workers
from lgi_former.training.trainer.failed_batches import raise_if_failed


LABELS = [0, 0, 0, 0, 1, 2]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Images of noise, whose random crops differ."""
    folder, generator = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    paths = [str(folder / f"{number}.png") for number in range(6)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    return Dataset.from_dict({"video": paths, "label": LABELS})


@pytest.fixture
def transform():
    return TrainingTransform(LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4, sampling_rate=1))


def noisy_clips(videos, folder):
    return ClipDataset(
        videos,
        lambda total_frames, generator: np.zeros(4, np.int64),
        lambda clip, generator: torch.rand(4, 3, 16, 16, generator=generator),
        seed=0,
        skipped=SkippedVideos(folder, 6),
    )


def clips_of(trainer, epoch=0):
    """The clips of an epoch by their videos."""
    trainer.data_collator = FinetuningCollator(3, mixup_alpha=0, cutmix_alpha=0)
    loader = trainer.get_train_dataloader()
    trainer.state.epoch = epoch
    trainer.callback_handler.train_dataloader = loader
    trainer.callback_handler.on_epoch_begin(trainer.args, trainer.state, trainer.control)
    found = defaultdict(list)
    for batch in loader:
        raise_if_failed(batch)
        for video, clip in zip(batch["videos"], batch["pixel_values"], strict=True):
            found[video].append(clip)
    stop_workers([loader])
    return {video: torch.stack(clips) for video, clips in found.items()}


def assert_distinct(clips, count):
    """Check that the clips of a video differ, and that a video has at least `count` of them."""
    assert max(map(len, clips.values())) >= count
    assert all(len(found.flatten(1).unique(dim=0)) == len(found) for found in clips.values())


def assert_same(clips, others):
    assert clips.keys() == others.keys()
    assert all(torch.equal(clips[video], others[video]) for video in clips)


def of_order(kind, tiny_run, videos, folder):
    """A data set whose order repeats items."""
    if kind == "decoded":
        data = DecodedClips(videos, 16, lambda clips, draws: clips + draws[:, :1, None, None, None], 0)
    elif kind == "global generators":

        class Drawing(tiny_run.Clips):
            def __getitem__(self, index):
                item = super().__getitem__(index)
                return item | {"pixel_values": item["pixel_values"] + torch.rand(())}

        data = Drawing(6)
    else:
        data = noisy_clips(videos, folder)
    data.sampler = BalancedOrder([0, 0, 0, 0, 0, 1], seed=0)
    if kind == "mix":
        data.sampler = mixed_order(videos.add_column("source", [0, 0, 0, 0, 0, 1]), [1, 1], 0, 10)
    return data


@pytest.mark.parametrize("kind", ["list", "mix", "decoded", "global generators"])
def test_orders_that_repeat(kind, tiny_run, videos, tmp_path):
    data = of_order(kind, tiny_run, videos, tmp_path)
    clips = clips_of(tiny_run.finetuning(tmp_path, clips=data), epoch=1)
    assert_distinct(clips, 3)
    assert_same(clips, clips_of(tiny_run.finetuning(tmp_path, clips=data, dataloader_num_workers=2), epoch=1))


def test_first_visits_draw_as_before(tiny_run, videos, tmp_path):
    """Also in a data set by itself, which knows no epoch's order."""
    data = noisy_clips(videos, tmp_path)
    assert [item["seed"] for item in (data[index] for index in range(6))] == [
        derived_seeds(0, 0, index)[0] for index in range(6)
    ]
    whole = clips_of(tiny_run.finetuning(tmp_path, clips=data))
    assert_same(whole, {item["video"]: item["pixel_values"][None] for item in (data[index] for index in range(6))})


@pytest.mark.parametrize("columns", [None, ["video"]])
@pytest.mark.parametrize("kind", ["paths", "contents"])
def test_rows_that_repeat_a_video(kind, columns, tiny_run, videos, transform, tmp_path):
    """First visits have the clips that the transform draws by itself."""
    rows = videos
    if kind == "contents":
        contents = [{"path": path, "bytes": Path(path).read_bytes()} for path in videos["video"]]
        rows = Dataset.from_dict({"video": contents, "label": LABELS}).cast_column("video", Video(decode=False))
    rows = concatenate_datasets([rows.select([5, 1, 5]), rows])
    rows = rows.with_transform(transform, columns=columns, output_all_columns=columns is not None)
    if columns is not None:
        rows = rows.rename_column("label", "labels")  # the collator gets the column itself
    clips = clips_of(tiny_run.finetuning(tmp_path, clips=rows))
    assert_distinct(clips, 3)
    alone = rows[3:]
    for video, clip in zip(alone["video"], alone["pixel_values"], strict=True):
        assert sum(torch.equal(clip, other) for other in clips[video]) == 1
    assert_same(clips, clips_of(tiny_run.finetuning(tmp_path, clips=rows, dataloader_num_workers=2)))


def test_a_weighted_sampler(tiny_run, videos, transform, tmp_path):
    class Weighted(tiny_run.RecordingTrainer):
        def _get_train_sampler(self, dataset):
            return WeightedRandomSampler([9.0 if label else 1.0 for label in LABELS], 12)

    trainer = tiny_run.finetuning(tmp_path, clips=videos.with_transform(transform))
    trainer.__class__ = Weighted
    assert_distinct(clips_of(trainer), 3)


def test_a_resumed_run_draws_the_same_repetitions(tiny_run, videos, tmp_path):
    def run(name, resume=None):
        (tmp_path / name).mkdir()
        data = of_order("list", tiny_run, videos, tmp_path)
        fields = {"max_steps": 6, "per_device_train_batch_size": 2, "save_strategy": "steps", "save_steps": 2}
        trainer = tiny_run.finetuning(tmp_path / name, clips=data, **fields)
        trainer.train(resume_from_checkpoint=resume)
        return trainer.model.state_dict()

    whole, resumed = run("whole"), run("resumed", tmp_path / "whole" / "checkpoint-2")
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def test_numbers():
    assert list(NumberedVisits([4, 2, 4, 4])) == [4, 2, Repetition(4, 1), Repetition(4, 2)]
    assert list(NumberedVisits([0, 1, 2, 1], [7, 8, 7])) == [0, 1, Repetition(2, 1), Repetition(1, 1)]
    order = NumberedVisits(BalancedOrder([0, 0, 0, 1], seed=0))
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first and len(order) == 4


def test_videos_are_known_by_their_paths():
    paths = Dataset.from_dict({"video": ["a", "b", None, "a", None]}, features=Features({"video": Value("string")}))
    first, second, third, again, fifth = numbers_of_videos(paths)
    assert first == again and len({first, second, third, fifth}) == 4
    assert len(set(numbers_of_videos(paths.rename_column("video", "clip")))) == 5
    videos = [{"path": "a", "bytes": b"1"}, {"path": None, "bytes": b"2"}, {"path": "a", "bytes": None}]
    held = Dataset.from_dict({"video": videos}).cast_column("video", Video(decode=False))
    for dataset in (held, held.cast_column("video", Video())):
        first, second, third = numbers_of_videos(dataset.select([0, 1, 2]))
        assert first == third != second


def test_a_plain_trainer_warns(tiny_run, videos, transform, tmp_path, caplog):
    def warnings(rows):
        caplog.clear()
        arguments = tiny_run.training_arguments(tmp_path, remove_unused_columns=False)
        trainer = Trainer(
            torch.nn.Linear(1, 1), arguments, train_dataset=rows.with_transform(transform), callbacks=[transform]
        )
        trainer.callback_handler.train_dataloader = trainer.get_train_dataloader()
        trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
        return [record.message for record in caplog.records if "same video" in record.message]

    assert not warnings(videos)
    assert len(warnings(videos.select([0, 1, 0]))) == 1
