import io
import itertools
import re
import tarfile
from collections import Counter
from pathlib import Path

import fsspec
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, IterableDataset, Value, Video
from torch.utils.data import DataLoader

from lgi_former.training.data.annotations import AnnotationError
from lgi_former.training.data.clip_stream import ClipStream, StreamError, open_stream
from lgi_former.training.data.skipped_videos import SkippedVideos, TooManySkippedVideosError


BROKEN_FILES = ("truncated.mp4", "empty.mp4", "text.mp4")


def draw_frames(total_frames, generator):
    return torch.randint(total_frames, (2,), generator=generator).numpy()


def add_noise(clip, generator):
    return clip.float().mean().round() + torch.rand(2, 3, 2, 2, generator=generator)


@pytest.fixture(scope="module")
def shards(rough_corpus, tmp_path_factory):
    """Four tar shards of five videos, `SHARD_NUMBER.mp4`, of grey and class 0 to 4, and a shard of broken videos."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(4):
        files = {f"{shard}_{number}": f"good {number}.mp4" for number in range(5)}
        write_shard(folder / f"good-{shard}.tar", rough_corpus, files)
    files = {f"broken_{number}": name for number, name in enumerate(BROKEN_FILES)} | {"whole": "good 4.mp4"}
    write_shard(folder / "rough.tar", rough_corpus, files)
    return folder


def write_shard(path, rough_corpus, files):
    with tarfile.open(path, "w") as tar:
        for key, name in files.items():
            label = re.search(r"\d|$", name)[0] or "0"
            for suffix, content in ((".mp4", (rough_corpus.folder / name).read_bytes()), (".cls", label.encode())):
                entry = tarfile.TarInfo(key + suffix)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


@pytest.fixture
def stream(tmp_path):
    """`stream(videos)`: clips of a stream, or of the shards that match a pattern."""

    def make(videos, seed=0, total=20, max_fraction=0.5, **options):
        videos = open_stream(str(videos)) if isinstance(videos, Path) else videos
        skipped = SkippedVideos(tmp_path / "run", total, max_fraction)
        return ClipStream(videos, draw_frames, add_noise, seed=seed, skipped=skipped, **options)

    return make


def take(dataset, count, num_workers=0):
    return list(itertools.islice(DataLoader(dataset, batch_size=None, num_workers=num_workers), count))


def names_of(items):
    return [item["video"] for item in items]


def by_name(items):
    return {item["video"]: item for item in items}


def test_videos_of_tar_shards(stream, shards):
    items = take(stream(shards / "good-*.tar"), 20)
    expected = {f"{shards}/good-{shard}.tar/{shard}_{number}" for shard in range(4) for number in range(5)}
    assert set(names_of(items)) == expected
    for item in items:
        assert item.keys() == {"pixel_values", "labels", "video", "seed"}
        assert item["labels"] == int(item["video"][-1])
        assert abs(item["pixel_values"].floor().mean().item() - 20 * item["labels"]) < 3
    assert set(names_of(take(stream(open_stream(str(shards))), 21))) > expected  # a folder of shards


def test_stream_is_repeatable_and_reshuffled_every_round(stream, shards):
    items = take(stream(shards / "good-*.tar"), 40)
    again = take(stream(shards / "good-*.tar"), 40)
    assert names_of(items) == names_of(again)
    assert all(torch.equal(a["pixel_values"], b["pixel_values"]) for a, b in zip(items, again, strict=True))
    first, second = items[:20], items[20:]
    assert set(names_of(first)) == set(names_of(second)) and names_of(first) != names_of(second)
    for name, item in by_name(first).items():
        assert not torch.equal(item["pixel_values"], by_name(second)[name]["pixel_values"])
    other = take(stream(shards / "good-*.tar", seed=1), 20)
    assert names_of(other) != names_of(first)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_share_the_shards(num_workers, stream, shards):
    expected = by_name(take(stream(shards / "good-*.tar"), 20))
    items = take(stream(shards / "good-*.tar"), 20, num_workers)
    assert set(names_of(items)) == set(expected)  # each video once
    for item in items:
        assert torch.equal(item["pixel_values"], expected[item["video"]]["pixel_values"])
        assert item["seed"] == expected[item["video"]]["seed"]
    assert names_of(items) == names_of(take(stream(shards / "good-*.tar"), 20, num_workers))


def test_workers_without_a_shard_stop(stream, shards):
    items = take(stream(shards / "good-0.tar"), 10, num_workers=2)
    assert set(Counter(names_of(items)).values()) == {2}


@pytest.mark.parametrize(("num_processes", "num_workers"), [(2, 0), (2, 2), (3, 0)])
def test_processes_share_the_stream(num_processes, num_workers, stream, shards):
    # Two processes read two of the four shards each. Three processes read every third video each.
    seen = []
    for process_index in range(num_processes):
        dataset = stream(shards / "good-*.tar", process_index=process_index, num_processes=num_processes)
        seen.append(names_of(take(dataset, 20 // num_processes, num_workers)))
    assert len({name for names in seen for name in names}) == sum(len(names) for names in seen)


def test_broken_videos_are_skipped_and_listed(stream, shards, corpus):
    dataset = stream(shards / "rough.tar", total=4, max_fraction=0.75)
    items = take(dataset, 2)
    assert names_of(items) == [f"{shards}/rough.tar/whole"] * 2  # in two rounds
    listed = dataset.skipped.listed()
    assert set(listed) == {f"{shards}/rough.tar/broken_{number}" for number in range(3)}
    for number, name in enumerate(BROKEN_FILES):
        video = f"{shards}/rough.tar/broken_{number}"
        assert corpus.BROKEN[name] in listed[video] and video in listed[video]
    with pytest.raises(TooManySkippedVideosError, match="3 of 5 videos"):
        take(stream(shards / "rough.tar", total=5, max_fraction=0.4), 1)


def test_stream_without_a_readable_video_ends(stream):
    videos = Dataset.from_dict({"video": ["missing 1.mp4", "missing 2.mp4"]}).to_iterable_dataset()
    with pytest.raises(StreamError, match="None of the 2 videos"):
        take(stream(videos, max_fraction=1.0), 1)


def test_damaged_shards_are_reported(stream, shards, tmp_path):
    content = (shards / "good-0.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content)
    with tarfile.open(shards / "good-0.tar") as tar:
        video = tar.getmember("0_3.mp4")
    (tmp_path / "cut.tar").write_bytes(content[: video.offset_data + video.size // 2])
    dataset = stream(tmp_path / "*.tar")  # the first shard gives the columns
    with pytest.raises(StreamError, match="A tar shard of the stream is damaged"):
        take(dataset, 10)
    with pytest.raises(StreamError, match="A tar shard of the stream is damaged"):
        open_stream(str(tmp_path / "cut.tar"))


def test_streams_of_paths_and_of_videos_in_memory(stream, rough_corpus):
    paths = rough_corpus.paths(["good 1.mp4", "frames"])
    features = Features({"video": Value("string"), "label": ClassLabel(names=["sad", "happy"])})
    for labels in ({"label": ["sad", "happy"]}, {"label": [0, 1], "features": features}):
        videos = Dataset.from_dict({"video": paths, "label": labels.pop("label")}, **labels).to_iterable_dataset()
        items = by_name(take(stream(videos, label_names=["happy", "sad"]), 2))
        assert {name: item["labels"] for name, item in items.items()} == {paths[0]: 1, paths[1]: 0}

    content = Path(paths[0]).read_bytes()
    videos = Dataset.from_dict({"clip": [{"bytes": content, "path": None}]}, Features({"clip": Video()}))
    (item,) = take(stream(videos.to_iterable_dataset()), 1)
    assert item.keys() == {"pixel_values", "video", "seed"} and re.fullmatch("[0-9a-f]+", item["video"])
    assert torch.equal(item["pixel_values"].floor(), items[paths[0]]["pixel_values"].floor())


def test_unknown_label_stops_the_run(stream, rough_corpus):
    videos = Dataset.from_dict({"video": rough_corpus.paths(["good 1.mp4"]), "label": ["hapy"]}).to_iterable_dataset()
    with pytest.raises(AnnotationError, match=r"good 1\.mp4': the label 'hapy' is unknown \(is it 'happy'"):
        take(stream(videos, label_names=["happy", "sad"]), 1)


def test_videos_on_other_file_systems(stream, rough_corpus):
    with fsspec.open("memory://corpus/good.mp4", "wb") as file:
        file.write(Path(rough_corpus.paths(["good 1.mp4"])[0]).read_bytes())
    paths = ["memory://corpus/good.mp4", "memory://corpus/missing.mp4"]
    dataset = stream(Dataset.from_dict({"video": paths}).to_iterable_dataset())
    assert names_of(take(dataset, 2)) == [paths[0]] * 2
    assert "cannot be fetched" in dataset.skipped.listed()[paths[1]]


def test_streams_that_do_not_fit(stream, shards, tmp_path):
    with pytest.raises(StreamError, match=r"no tar shard '.*none-\*\.tar'"):
        open_stream(str(tmp_path / "none-*.tar"))
    with pytest.raises(StreamError, match="no columns of videos among clip"):
        stream(Dataset.from_dict({"clip": ["a.mp4"]}).to_iterable_dataset())
    with pytest.raises(StreamError, match="2 columns of videos among a, b"):
        stream(
            Dataset.from_dict({"a": ["x"], "b": ["x"]}, Features({"a": Video(), "b": Video()})).to_iterable_dataset()
        )
    with pytest.raises(StreamError, match="does not say what its columns are"):
        stream(IterableDataset.from_generator(lambda: iter([{"video": "a.mp4"}])))
