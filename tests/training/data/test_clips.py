import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from torch.utils.data import DataLoader

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError
from lgi_former.image_processing.decoding import decoder_backends
from lgi_former.training.data.clips import ClipDataset, ViewDataset
from lgi_former.training.data.collators import ViewCollator
from lgi_former.training.data.skipped_videos import SkippedVideos, TooManySkippedVideosError


def draw_frames(total_frames, generator):
    """The first, the middle and the last frame, so that each broken frame of three is read, and a random frame."""
    return np.array([0, total_frames // 2, total_frames - 1, torch.randint(total_frames, (), generator=generator)])


def add_noise(clip, generator):
    """Augmentation for tests: the clip's grey, and noise below 1."""
    assert clip.dtype == torch.uint8 and clip.shape[:2] == (4, 3)
    return clip.float().mean().round() + torch.rand(4, 3, 2, 2, generator=generator)


def grey_of(item):
    return round(item["pixel_values"].floor().mean().item())


@pytest.fixture
def clips(rough_corpus, tmp_path, corpus):
    """`clips(names)`: the clips of videos of the corpus; a video's label is its grey / 20, or 99 if it is broken."""

    def make(names, seed=0, max_fraction=1.0):
        labels = [corpus.GOOD.index(name) if name not in corpus.BROKEN else 99 for name in names]
        videos = Dataset.from_dict({"video": rough_corpus.paths(names), "label": labels})
        skipped = SkippedVideos(tmp_path / "run", len(names), max_fraction)
        return ClipDataset(videos, draw_frames, add_noise, seed=seed, skipped=skipped)

    return make


def load(dataset, **options):
    return list(DataLoader(dataset, batch_size=None, **options))


def same(items, others):
    return [item["seed"] for item in items] == [item["seed"] for item in others] and all(
        torch.equal(a["pixel_values"], b["pixel_values"]) and (a["video"], a["labels"]) == (b["video"], b["labels"])
        for a, b in zip(items, others, strict=True)
    )


def test_items(clips, rough_corpus, corpus):
    names = corpus.GOOD
    for index, item in enumerate(load(clips(names))):
        assert item["pixel_values"].shape == (4, 3, 2, 2) and item["pixel_values"].dtype == torch.float32
        assert item["video"] == rough_corpus.paths([names[index]])[0]
        assert item["labels"] == index and abs(grey_of(item) - 20 * index) < 3
        assert isinstance(item["seed"], int) and item["seed"] >= 0


def test_items_of_unlabelled_videos(rough_corpus, tmp_path, corpus):
    videos = Dataset.from_dict({"video": rough_corpus.paths(corpus.GOOD)})
    dataset = ClipDataset(videos, draw_frames, add_noise, seed=0, skipped=SkippedVideos(tmp_path, 8))
    assert dataset[0].keys() == {"pixel_values", "video", "seed"}


def test_clips_follow_from_seed_epoch_and_index(clips, corpus):
    dataset = clips(corpus.GOOD)
    first = load(dataset)
    assert same(first, load(clips(corpus.GOOD)))
    assert len({item["seed"] for item in first}) == len(first)
    assert not torch.equal(first[0]["pixel_values"] % 1, first[1]["pixel_values"] % 1)
    dataset.set_epoch(1)
    second = load(dataset)
    dataset.set_epoch(0)
    assert same(first, load(dataset))
    for other in (second, load(clips(corpus.GOOD, seed=1))):
        assert not any(torch.equal(a["pixel_values"], b["pixel_values"]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("options", [{"num_workers": 1}, {"num_workers": 3}, {"num_workers": 3, "persistent": True}])
def test_clips_do_not_depend_on_the_workers(options, clips, tmp_path, corpus):
    names = [*corpus.GOOD, *corpus.BROKEN]

    def epochs(num_workers=0, persistent=False):
        dataset = clips(names)
        loader = DataLoader(dataset, batch_size=None, num_workers=num_workers, persistent_workers=persistent)
        items = []
        for epoch in range(2):
            dataset.set_epoch(epoch)
            items += loader
        return items, dataset.skipped

    expected, skipped = epochs()
    listed = skipped.listed()
    assert len(listed) == len(corpus.BROKEN)
    skipped.clear()
    items, skipped = epochs(**options)
    assert same(items, expected)
    assert skipped.listed() == listed


def test_a_random_video_replaces_a_broken_one(clips, rough_corpus, corpus):
    broken = list(corpus.BROKEN)
    dataset = clips([*corpus.GOOD, *broken])
    chosen = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        for index in range(len(corpus.GOOD), len(dataset)):
            item = dataset[index]
            assert item["video"] == rough_corpus.paths([corpus.GOOD[item["labels"]]])[0]
            assert abs(grey_of(item) - 20 * item["labels"]) < 3
            chosen.append(item["labels"])
    assert len(set(chosen)) > 4
    listed = dataset.skipped.listed()
    assert sorted(listed) == sorted(rough_corpus.paths(broken))
    for name, reason in corpus.BROKEN.items():
        assert reason in listed[rough_corpus.paths([name])[0]]


def test_no_video_can_be_read(clips, corpus):
    with pytest.raises(VideoReadError, match="None of the 6 videos can be read"):
        clips(list(corpus.BROKEN))[0]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_too_many_skipped_videos_stop_the_run(num_workers, clips, corpus):
    dataset = clips([*corpus.GOOD, *corpus.BROKEN], max_fraction=0.3)
    with pytest.raises(TooManySkippedVideosError, match=r"[56] of 15 videos cannot be read.* allows 4: "):
        load(dataset, num_workers=num_workers)
    with pytest.raises(TooManySkippedVideosError, match=r"^[56] of 15 videos"):  # without the worker's traceback
        dataset.skipped.check()


def test_clip_does_not_depend_on_the_decoder(clips, monkeypatch):
    expected = clips(["good 0.mp4"])[0]
    asked = []
    read = decoder_backends.read_by_packets

    def fail_late(path, sample_indices_fn):
        asked.append(read(path, sample_indices_fn))
        raise RuntimeError("the decoder gives up")

    monkeypatch.setattr(decoder_backends, "read_by_packets", fail_late)
    item = clips(["good 0.mp4"])[0]
    assert len(asked) == 1
    assert torch.equal(item["pixel_values"] % 1, expected["pixel_values"] % 1)


# Views


@pytest.fixture
def views(tmp_path):
    """`views(paths, num_segments)`: their views of 4 frames of 16 x 16 pixels."""

    def make(paths, num_segments, columns=None):
        processor = LGIFormerVideoProcessor(
            size={"height": 16, "width": 16}, num_frames=4, sampling_rate=1, num_segments=num_segments
        )
        videos = Dataset.from_dict({"video": paths, **({"label": [1] * len(paths)} if columns is None else columns)})
        return ViewDataset(videos, processor, skipped=SkippedVideos(tmp_path / "run", len(paths), 1.0)), processor

    return make


@pytest.fixture
def changing(tmp_path, corpus):
    """A folder of 5 frames with different greys."""
    for number in range(5):
        corpus.write_image(tmp_path / "changing" / f"{number}.png", grey=50 * number)
    return str(tmp_path / "changing")


def test_equal_views_are_one_view(views, changing):
    dataset, processor = views([changing], num_segments=3)  # two windows, the first one twice
    item = dataset[0]
    clips = processor(changing, return_tensors="pt")["pixel_values"]
    assert torch.equal(clips[0], clips[1]) and not torch.equal(clips[0], clips[2])
    assert item["pixel_values"].shape == (2, 4, 3, 16, 16) and item["pixel_values"].dtype == torch.float32
    first = 0 if torch.equal(item["pixel_values"][0], clips[0]) else 1
    assert torch.equal(item["pixel_values"][[first, 1 - first]], clips[[0, 2]])
    assert item["view_weights"][[first, 1 - first]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert (item["labels"], item["video"]) == (1, changing)


def test_indices_of_frames_follow_the_sampling_in_time(views, changing, tmp_path):
    labels = Features({"video": Value("string"), "label": List(ClassLabel(names=["calm", "happy"]))})
    dataset, processor = views([changing, "missing.mp4"], 1, columns={"label": [[0, 1, 0, 1, 0], [0, 1]]})
    dataset.videos = dataset.videos.cast(labels)
    assert dataset.frame_indices().tolist() == [[0, 1, 2, 3], [0, 1, 1, 1]]
    processor.sampling_frame_rate = 12.5  # a folder has 25 frames per second
    assert dataset.frame_indices().tolist() == [[0, 2, 4, 4], [0, 0, 0, 0]]
    assert dataset[0]["labels"].tolist() == [0, 0, 0, -100]


def test_number_of_distinct_views(views, changing, rough_corpus):
    # The published code has 2 segments x 2 crops. For square frames, both crops are the same.
    dataset, _ = views([changing, *rough_corpus.paths(["one_frame.mp4"])], num_segments=2)
    assert [len(item["pixel_values"]) for item in dataset] == [2, 1]


def test_unreadable_video_has_an_item_that_does_not_count(views, changing, rough_corpus):
    missing, short = rough_corpus.paths(["missing.mp4", "one_frame.mp4"])
    dataset, _ = views([changing, missing, short], num_segments=2)
    item = dataset[1]
    assert torch.equal(item["pixel_values"], torch.zeros(1, 4, 3, 16, 16))
    assert item["view_weights"].tolist() == [0] and item["labels"] == -100 and item["video"] == missing
    assert list(dataset.skipped.listed()) == [missing]
    batch = ViewCollator()([dataset[index] for index in range(3)])
    assert batch["labels"].tolist() == [1, -100, 1] and batch["view_weights"].tolist() == [0.5, 0.5, 0, 1]
    assert batch["video_index"].tolist() == [0, 0, 1, 2]


def test_views_of_unlabelled_videos(views, changing):
    dataset, _ = views([changing, "missing.mp4"], 1, columns={})
    assert all(dataset[index].keys() == {"pixel_values", "view_weights", "video"} for index in range(2))


def test_evaluation_stops_at_too_many_unreadable_videos(views, rough_corpus, corpus):
    dataset, _ = views(rough_corpus.paths(corpus.BROKEN), 1)
    dataset.skipped.max_fraction = 0.2
    with pytest.raises(TooManySkippedVideosError, match="2 of 6 videos"):
        load(dataset)
