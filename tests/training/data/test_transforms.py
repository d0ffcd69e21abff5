"""`TrainingTransform` and `EvaluationTransform` in data loaders and in both trainers."""

import copy
import types
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value, Video
from torch.utils.data import DataLoader
from transformers import AutoVideoProcessor, Trainer, TrainingArguments, VideoMAEImageProcessor, default_data_collator

from lgi_former import (
    EvaluationTransform,
    FinetuningCollator,
    LGIFormerForVideoClassification,
    LGIFormerTrainer,
    LGIFormerTrainingArguments,
    LGIFormerVideoProcessor,
    TrainingTransform,
    ViewCollator,
    load_videos,
    make_compute_metrics,
)
from lgi_former.image_processing import VideoReadError, read_video
from lgi_former.image_processing.augmentation import FinetuningAugmentation
from lgi_former.training.data.clips import ViewDataset
from lgi_former.training.data.skipped_videos import SkippedVideos


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus):
    """Six videos of two classes, of 40 frames."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(6):
        label = ["dark", "light"][number % 2]
        (folder / label).mkdir(exist_ok=True)
        corpus.write_clip(folder / label / f"{number}.mp4", grey=30 + 35 * number, count=40)
    return folder


@pytest.fixture
def videos(folder):
    return load_videos(folder)


@pytest.fixture
def processor():
    return LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4, sampling_rate=2)


def epoch_of(dataset, **options):
    """The clips of an epoch by name."""
    loader = DataLoader(dataset, batch_size=2, collate_fn=lambda items: items, **options)
    return {item["video"]: item["pixel_values"] for items in loader for item in items}


def seeds_of(dataset):
    return set(dataset[:]["seed"])


def same(clips, others):
    assert clips.keys() == others.keys()
    return [torch.equal(clips[name], others[name]) for name in clips]


def test_items(videos, processor):
    item = videos.with_transform(TrainingTransform(processor))[1]
    assert item["pixel_values"].shape == (4, 3, 16, 16) and item["pixel_values"].dtype == torch.float32
    assert (item["labels"], item["video"]) == (videos[1]["label"], videos[1]["video"])
    assert isinstance(item["seed"], int) and 0 <= item["seed"] < 2**63
    unlabelled = videos.remove_columns("label").with_transform(TrainingTransform(processor))
    assert unlabelled[1].keys() == {"pixel_values", "seed", "video"}


def test_clips_are_those_of_the_recipe(videos, processor, monkeypatch):
    """Only the frames of the clip are decoded. Options of the augmentation are passed on."""
    indices = []
    read = read_video

    def recorded(path, sample, **options):
        frames, metadata = read(path, sample, **options)
        indices.append(metadata.frames_indices)
        return frames, metadata

    monkeypatch.setattr("lgi_former.training.data.clips.read_video", recorded)
    options = {"num_operations": 0, "crop_area": (1, 1), "flip_probability": 0, "erasing_probability": 0}
    transform = TrainingTransform(processor, **options)
    transform.set_epoch(0)
    item = videos.with_transform(transform)[0]
    assert len(indices) == 1 and indices[0].shape == (4,) and (np.diff(indices[0]) >= 1).all()
    plain = FinetuningAugmentation(16, **options)
    frames, _ = read(videos[0]["video"], lambda metadata: indices[0])
    expected = plain(torch.from_numpy(frames).movedim(-1, 1), torch.Generator())
    assert torch.allclose(item["pixel_values"], expected, atol=1e-5)


def test_clips_follow_from_seed_epoch_and_video(videos, processor):
    transform = TrainingTransform(processor)
    dataset = videos.with_transform(transform)
    transform.set_epoch(0)
    first = epoch_of(dataset)
    assert all(same(first, epoch_of(dataset)))
    assert all(same(first, epoch_of(dataset.select([5, 3, 1, 0, 2, 4]))))  # the order does not matter
    assert all(same(first, epoch_of(copy.deepcopy(dataset), num_workers=2)))
    other = TrainingTransform(processor, seed=1)
    other.set_epoch(0)
    seeds = seeds_of(dataset)
    assert len(seeds) == 6 and seeds.isdisjoint(seeds_of(videos.with_transform(other)))
    transform.set_epoch(1)
    assert seeds.isdisjoint(seeds_of(dataset))
    transform.set_epoch(0)
    assert all(same(first, epoch_of(dataset)))


def test_persistent_workers_follow_the_epoch(videos, processor):
    transform = TrainingTransform(processor)
    dataset = videos.with_transform(transform)
    loader = DataLoader(dataset, batch_size=None, num_workers=1, persistent_workers=True)
    spawned = ForkingPickler.loads(ForkingPickler.dumps(dataset))  # what a worker that is not forked gets
    for epoch in (0, 1):
        transform.set_epoch(epoch)
        expected = epoch_of(dataset)
        assert all(same({item["video"]: item["pixel_values"] for item in loader}, expected))
        assert all(same(epoch_of(spawned), expected))


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}], ids=str)
def test_clips_change_if_nobody_sets_the_epoch(options, videos, processor):
    loader = DataLoader(
        videos.with_transform(TrainingTransform(processor)),
        batch_size=1,
        shuffle=True,
        collate_fn=lambda items: items[0],
        **options,
    )
    seeds = [item["seed"] for _ in range(3) for item in loader]
    assert len(set(seeds)) == 18


def test_equal_names_of_different_videos_have_different_seeds(folder, processor):
    """Data sets on the Hub hold videos with the last part of their path, which may repeat."""
    paths = sorted(folder.glob("*/*.mp4"))[:2]
    rows = [{"path": "clip.mp4", "bytes": path.read_bytes()} for path in paths]
    held = Dataset.from_dict({"video": rows}).cast_column("video", Video(decode=False))
    transform = TrainingTransform(processor)
    transform.set_epoch(0)
    first, second = held.with_transform(transform)[:]["seed"]
    assert first != second
    moved = held.map(lambda row: {"video": row["video"] | {"path": "moved.mp4"}}, features=held.features)
    assert moved.with_transform(transform)[:]["seed"] == [first, second]


def test_evaluation_makes_the_clips_of_the_processor(videos, processor):
    item = videos.with_transform(EvaluationTransform(processor))[2]
    assert torch.equal(item["pixel_values"], processor(videos[2]["video"], return_tensors="pt")["pixel_values"][0])
    assert (item["labels"], item["video"], item["seed"]) == (videos[2]["label"], videos[2]["video"], None)
    processor.num_segments = 2
    views = videos.with_transform(EvaluationTransform(processor))[2]
    expected = ViewDataset(videos, processor, skipped=SkippedVideos("unused", 6))[2]
    assert views.keys() == expected.keys() and views["labels"] == expected["labels"]
    assert all(torch.equal(views[name], expected[name]) for name in ("pixel_values", "view_weights"))


def test_a_broken_video_is_an_error_with_its_name(rough_corpus, processor):
    broken = Dataset.from_dict({"video": rough_corpus.paths(["text.mp4"])})
    for transform in (TrainingTransform(processor), EvaluationTransform(processor)):
        with pytest.raises(VideoReadError, match=r"text.mp4' cannot be decoded"):
            broken.with_transform(transform)[0]


def test_rows_without_a_video_are_an_error(videos, processor):
    for transform in (TrainingTransform(processor), EvaluationTransform(processor)):
        with pytest.raises(ValueError, match=r"no column 'video', only label\. Set remove_unused_columns=False"):
            videos.with_transform(transform).remove_columns("video")[0]


def test_names_as_labels_are_an_error(videos, processor):
    named = Dataset.from_dict({"video": videos["video"][:1], "label": ["dark"]})
    with pytest.raises(ValueError, match=r"has the label 'dark'.*`load_videos`"):
        named.with_transform(EvaluationTransform(processor))[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": {"height": 16, "width": 32}}, "Training clips are square"),
        ({"size": {"shortest_edge": 16}}, "Training clips are square"),
        ({"image_mean": [0.5, 0.5, 0.5]}, "The processor has image_mean="),
        ({"do_normalize": False}, "The processor has do_normalize=False"),
        ({"resample": 3}, "The processor has resample=3"),
    ],
)
def test_a_processor_that_makes_other_pixels_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingTransform(LGIFormerVideoProcessor(**settings))


def test_a_saved_processor_fits_and_others_are_refused(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert TrainingTransform(AutoVideoProcessor.from_pretrained(tmp_path)).augmentation.image_size == 16
    with pytest.raises(ValueError, match="A VideoMAEImageProcessor has no sampling_rate"):
        TrainingTransform(VideoMAEImageProcessor())


LABELS = {
    "single_label": (Value("int64"), 1, 1),
    "multi_label": (List(ClassLabel(names=["a", "b", "c"])), [0, 2], [1, 0, 1]),
    "regression": (
        {"valence": Value("float32"), "arousal": Value("float32")},
        {"valence": 0.5, "arousal": -1},
        [0.5, -1],
    ),
    "distribution": ({"a": Value("float32"), "b": Value("float32")}, {"a": 1, "b": 3}, [0.25, 0.75]),
}


@pytest.mark.parametrize("task", LABELS)
def test_labels_of_each_kind(task, videos, processor):
    feature, label, values = LABELS[task]
    features = Features({"video": Value("string"), "label": feature})
    rows = Dataset.from_dict({"video": videos["video"][:2], "label": [label] * 2}, features=features)
    for transform in (TrainingTransform, EvaluationTransform):
        dataset = rows.with_transform(transform(processor, task=task, features=rows.features))
        items = [dataset[0], dataset[1]]
        assert np.array_equal(items[0]["labels"], values)
        num_labels = 2 if task == "single_label" else len(values)
        batch = FinetuningCollator(num_labels, task=task, mixup_alpha=0, cutmix_alpha=0, label_smoothing=0)(items)
        expected = [0, 1] if (task, transform) == ("single_label", TrainingTransform) else values
        assert np.array_equal(batch["labels"][1], expected)


def test_labels_of_frames_are_those_of_the_clip(folder, processor):
    path = str(min(folder.glob("*/*.mp4")))
    features = Features({"video": Value("string"), "label": List(Value("int64"))})
    rows = Dataset.from_dict({"video": [path], "label": [list(range(40))]}, features=features)
    labels = rows.with_transform(EvaluationTransform(processor, features=rows.features))[0]["labels"]
    clip = processor(path, return_metadata=True)["video_metadata"][0]
    assert labels.tolist() == clip.frames_indices.tolist()
    drawn = rows.with_transform(TrainingTransform(processor, features=rows.features))[0]["labels"]
    assert drawn.shape == (4,) and (np.diff(drawn) >= 1).all()
    with pytest.raises(ValueError, match="which is not the index of a class"):
        rows.with_transform(TrainingTransform(processor))[0]


def test_wrong_tasks_are_refused(processor):
    for transform in (TrainingTransform, EvaluationTransform):
        with pytest.raises(ValueError, match=r"task='numbers' is unknown\. Choose one of single_label,"):
            transform(processor, task="numbers")
        with pytest.raises(ValueError, match="task='regression' needs the names of the labels"):
            transform(processor, task="regression")


# Trainers


@pytest.fixture
def train(tiny_run, videos, processor, tmp_path):
    """`train(trainer_class, arguments_class, **fields)`: a trainer after three epochs, and the clips that it saw."""

    def run(trainer_class, arguments_class, transform, fields=None, **options):
        seen = []
        torch.manual_seed(0)
        model = LGIFormerForVideoClassification(tiny_run.tiny_config(num_labels=2))
        model.register_forward_pre_hook(
            lambda module, args, inputs: seen.append(inputs["pixel_values"].clone()) if module.training else None,
            with_kwargs=True,
        )
        arguments = arguments_class(
            tmp_path / "run",
            **{
                "num_train_epochs": 3,
                "per_device_train_batch_size": 6,
                "use_cpu": True,
                "report_to": "none",
                "disable_tqdm": True,
                "save_strategy": "no",
                "eval_strategy": "epoch",
                "remove_unused_columns": False,
                **(fields or {}),
            },
        )
        options = {
            "data_collator": FinetuningCollator(2, mixup_alpha=0, cutmix_alpha=0),
            "eval_dataset": videos.with_transform(EvaluationTransform(processor)),
            "compute_metrics": make_compute_metrics(["dark", "light"]),
            **options,
        }
        trainer = trainer_class(model, arguments, train_dataset=videos.with_transform(transform), **options)
        trainer.train()
        return trainer, seen

    return run


def test_both_trainers_follow_the_epoch(train, videos, processor):
    for trainer_class, arguments_class in (
        (Trainer, TrainingArguments),
        (LGIFormerTrainer, LGIFormerTrainingArguments),
    ):
        transform = TrainingTransform(processor)
        callbacks = [transform] if trainer_class is Trainer else None
        trainer, seen = train(trainer_class, arguments_class, transform, callbacks=callbacks)
        assert len(seen) == 3
        for epoch, batch in enumerate(seen):
            transform.set_epoch(epoch)
            expected = epoch_of(videos.with_transform(transform)).values()
            assert sorted(clip.sum().item() for clip in batch) == pytest.approx(
                sorted(clip.sum().item() for clip in expected)
            )
        assert "eval_uar" in trainer.evaluate()


def test_a_plain_trainer_takes_items_without_our_collator(train, processor):
    trainer, _ = train(Trainer, TrainingArguments, TrainingTransform(processor), data_collator=default_data_collator)
    assert trainer.predict(trainer.eval_dataset).predictions.shape == (6, 2)


def test_views_need_their_collator(train, processor):
    trainer, _ = train(LGIFormerTrainer, LGIFormerTrainingArguments, TrainingTransform(processor))
    single = trainer.predict(trainer.eval_dataset)
    trainer.eval_data_collator = ViewCollator()  # single clips stay single clips
    assert np.allclose(trainer.predict(trainer.eval_dataset).predictions, single.predictions)
    processor.num_segments = 2
    averaged = trainer.predict(trainer.eval_dataset)
    assert averaged.predictions.shape == (6, 2) and np.allclose(np.exp(averaged.predictions).sum(axis=1), 1, atol=1e-5)
    trainer.eval_data_collator = trainer.data_collator
    with pytest.raises(ValueError, match=r"The items are views of videos.*ViewCollator\(\)"):
        trainer.predict(trainer.eval_dataset)


def test_the_columns_of_the_videos_may_not_be_removed(train, processor):
    with pytest.raises(ValueError, match="remove_unused_columns"):
        train(Trainer, TrainingArguments, TrainingTransform(processor), fields={"remove_unused_columns": True})


def test_a_callback_sets_the_epoch(processor):
    transform = TrainingTransform(processor)
    transform.on_epoch_begin(None, types.SimpleNamespace(epoch=2.0), None)
    assert transform._epoch.item() == 2


@pytest.mark.parametrize(
    ("label", "task", "message"),
    [
        (ClassLabel(names=["a", "b"]), "regression", "which is no regression"),
        ({"x": Value("float32")}, "multi_label", "which is no multi_label"),
        (List(Value("int64")), "distribution", "which is no distribution"),
    ],
)
def test_labels_of_another_task(label, task, message, processor):
    with pytest.raises(ValueError, match=message):
        TrainingTransform(processor, task=task, features=Features({"video": Value("string"), "label": label}))


def test_numbers_below_0_are_no_distribution(videos, processor):
    numbers = Dataset.from_dict({"video": videos["video"][:1], "label": [{"x": -0.5, "y": 0.0}]})
    transform = TrainingTransform(processor, task="distribution", features=numbers.features)
    with pytest.raises(ValueError, match="is no distribution, which has votes or shares of at least 0"):
        numbers.with_transform(transform)[0]
