"""Shards as a data set: rows, bytes that are read, file systems, clips and views."""

import hashlib
import json
import pickle
import shutil

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import ClassLabel, Dataset
from torch.utils.data import DataLoader

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError
from lgi_former.training.data import shard_index
from lgi_former.training.data.annotations import AnnotationError
from lgi_former.training.data.clips import ClipDataset, ViewDataset
from lgi_former.training.data.data_check import check_data
from lgi_former.training.data.shard_index import ShardError, index_url, read_bytes, read_index
from lgi_former.training.data.sharded_videos import ShardedVideos
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.preparation.shards.packing import pack_shards


GOOD = [*(f"good {number}.mp4" for number in range(5)), "one_frame.mp4", "frames", "image.png", "odd_size.mp4"]
NAMES = [*GOOD, *GOOD[:3]]
LABELS = ["zero", "one", "two", "three", "four", "five"]


@pytest.fixture(scope="module")
def packed(rough_corpus, tmp_path_factory):
    """Folder with three shards of the good videos of the corpus. The class of a video is its grey / 20, at most 5."""
    folder = tmp_path_factory.mktemp("packed")
    videos = Dataset.from_dict({"video": rough_corpus.paths(NAMES), "label": [label_of(name) for name in NAMES]})
    videos = videos.cast_column("label", ClassLabel(names=LABELS))
    pack_shards(videos, folder, root=rough_corpus.folder, clips_per_shard=5)
    return folder


def label_of(name):
    return min(GOOD.index(name), 5)


@pytest.fixture
def broken(packed, tmp_path):
    """The same shards with a truncated second shard, and the name of the last video in this shard."""
    shutil.copytree(packed, tmp_path / "broken")
    index = read_index(str(tmp_path / "broken" / "index.json"))
    member = max(shard_index.read_members(index.shards[1]).to_pylist(), key=lambda member: member["offset"])
    with (tmp_path / "broken" / "shard-000001.tar").open("r+b") as file:
        file.truncate(member["offset"] + member["size"] // 2)
    return tmp_path / "broken", member["path"]


def name_of(path):
    return "frames" if path == "frames.zip" else path


def load(dataset, **options):
    return list(DataLoader(dataset, batch_size=None, **options))


def test_rows_are_the_videos(packed, rough_corpus):
    videos = ShardedVideos(str(packed / "index.json"))
    assert len(videos) == len(NAMES) == len(videos.names()) and videos.column_names == ["video", "label"]
    assert videos.features["label"].names == LABELS
    for index, row in enumerate(load(videos, num_workers=2)):
        name = name_of(row["video"].name)
        assert row["video"].name == videos.names()[index]
        assert row["label"] == label_of(name)
        if name != "frames":
            assert row["video"].read() == (rough_corpus.folder / name).read_bytes()
    assert sorted(map(name_of, videos.names())) == sorted(NAMES)
    assert videos[-1] == videos[len(videos) - 1] == pickle.loads(pickle.dumps(videos))[len(videos) - 1]
    with pytest.raises(IndexError, match="no video 12 among 12"):
        videos[12]


def test_only_the_videos_bytes_are_read(packed, monkeypatch):
    with fsspec.open("memory://corpus/index.json", "wb") as file:
        file.write((packed / "index.json").read_bytes())
    for path in packed.glob("shard-*"):
        fsspec.filesystem("memory").pipe_file(f"/corpus/{path.name}", path.read_bytes())
    local, remote = ShardedVideos(str(packed / "index.json")), ShardedVideos("memory://corpus/index.json")
    asked = []

    def read(url, start=None, end=None):
        asked.append((url.rpartition("-")[2], start, end))
        return read_bytes(url, start, end)

    shard_index.read_members.cache_clear()
    monkeypatch.setattr("lgi_former.training.data.sharded_videos.read_bytes", read)
    monkeypatch.setattr(shard_index, "read_bytes", read)
    for index in (0, 1, 11):
        content = remote[index]["video"].read()
        _, start, end = asked[-1]
        assert content == local[index]["video"].read() and end - start == 512 + len(content)  # with its header
    tables = [file for file, start, _ in asked if start is None]
    assert tables.count("000000.parquet") == 2  # one local and one remote read for all videos of the shard
    assert set(tables) == {"000000.parquet", "000002.parquet"}


def test_shards_on_the_hub(packed, loopback_hub, monkeypatch):
    tree = {path.name: path.read_bytes() for path in packed.iterdir() if not path.name.startswith(".")}
    loopback_hub.add("someone/shards", tree)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": loopback_hub.url, "token": False})
    near, far = ShardedVideos(str(packed / "index.json")), ShardedVideos("hf://someone/shards/index.json")
    for index in (0, 11):
        assert far[index]["video"].read() == near[index]["video"].read()


def test_label_names_give_the_indices(packed, rough_corpus, tmp_path):
    url = str(packed / "index.json")
    videos = ShardedVideos(url, LABELS[::-1])
    assert all(row["label"] == 5 - label_of(name_of(row["video"].name)) for row in load(videos))
    with pytest.raises(AnnotationError, match=r"index\.json': the label 'three' is unknown"):
        ShardedVideos(url, ["zero", "one", "two"])
    unnamed = Dataset.from_dict({"video": rough_corpus.paths(["good 1.mp4", "good 2.mp4"]), "label": [0, 2]})
    pack_shards(unnamed, tmp_path / "unnamed")
    assert ShardedVideos(str(tmp_path / "unnamed" / "index.json"), ["a", "b", "c"]).features["label"].names == [*"abc"]
    with pytest.raises(AnnotationError, match="the label 2 is out of range"):
        ShardedVideos(str(tmp_path / "unnamed" / "index.json"), ["a", "b"])


def test_addresses_of_an_index(packed, tmp_path):
    assert index_url(str(packed)) == index_url(str(packed / "index.json")) == str(packed / "index.json")
    assert index_url(str(tmp_path)) is None and index_url("train.csv") is None
    assert index_url("hf://datasets/someone/faces") == "hf://datasets/someone/faces/index.json"
    assert index_url("s3://bucket/faces/index.json") == "s3://bucket/faces/index.json"
    assert index_url("s3://bucket/faces-1.0/") == "s3://bucket/faces-1.0/index.json"
    assert index_url("s3://bucket/faces/*.tar") is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "index.json").write_text("{}"), "is not an index of shards"),
        (lambda folder: (folder / "index.json").write_text("[1"), "is not an index of shards"),
        (lambda folder: (folder / "index.json").unlink(), "There is no file '[^']*index.json'"),
        (lambda folder: edit(folder, '"nsamples": 5', '"nsamples": 6'), "lists 5 videos, but the index says 6"),
        (lambda folder: edit(folder, '"nsamples": 5', '"nsamples": -5'), r"is not an index.*of -5 videos"),
        (lambda folder: edit(folder, '"one"', '"zero"'), r"is not an index.*the classes \['zero', 'zero'"),
        (lambda folder: (folder / "shard-000000.parquet").unlink(), "There is no file '[^']*shard-000000.parquet'"),
        (
            lambda folder: shutil.copy(folder / "shard-000001.parquet", folder / "shard-000000.parquet"),
            "is not the file",
        ),
    ],
)
def test_damage_is_reported(damage, message, packed, tmp_path):
    shutil.copytree(packed, tmp_path / "copy")
    damage(tmp_path / "copy")
    with pytest.raises(ShardError, match=message):
        ShardedVideos(str(tmp_path / "copy" / "index.json"))[0]


def edit(folder, written, instead):
    index = (folder / "index.json").read_text()
    assert written in index
    (folder / "index.json").write_text(index.replace(written, instead))


def test_classes_of_an_edited_index(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "copy")
    edit(tmp_path / "copy", ',\n  "three",\n  "four",\n  "five"', "")
    videos = ShardedVideos(str(tmp_path / "copy" / "index.json"))
    with pytest.raises(ShardError, match=r"label [345] for '.*', but the index names 3 classes"):
        load(videos)


@pytest.mark.parametrize("url", ["ftp://me:secret@127.0.0.1:1/index.json", "nowhere://me:secret@host/index.json"])
def test_passwords_are_not_shown(url):
    with pytest.raises(ShardError, match=r"^'\w+://[\w.:]+/index.json' cannot be read") as error:
        ShardedVideos(url)
    assert "secret" not in str(error.value)


def test_clips_are_those_of_the_files(packed, rough_corpus, tmp_path):
    def draw_frames(total_frames, generator):
        return torch.randint(total_frames, (2,), generator=generator).numpy()

    def keep(clip, generator):
        return clip.float().mean((2, 3)) + torch.rand(1, generator=generator)

    videos = ShardedVideos(str(packed / "index.json"))
    skipped = SkippedVideos(tmp_path, len(NAMES))
    items = load(ClipDataset(videos, draw_frames, keep, seed=3, skipped=skipped), num_workers=1)
    paths = rough_corpus.paths(map(name_of, videos.names()))
    expected = load(ClipDataset(Dataset.from_dict({"video": paths}), draw_frames, keep, seed=3, skipped=skipped))
    for item, of_file, name in zip(items, expected, videos.names(), strict=True):
        assert torch.equal(item["pixel_values"], of_file["pixel_values"]) and item["seed"] == of_file["seed"]
        assert (item["video"], item["labels"]) == (name, label_of(name_of(name)))


def test_videos_that_were_cut_off_are_skipped(broken, tmp_path):
    folder, name = broken
    videos = ShardedVideos(str(folder / "index.json"))
    skipped = SkippedVideos(tmp_path, len(videos), 0.5)
    clips = ClipDataset(videos, lambda total, generator: np.array([0]), lambda clip, _: clip, seed=0, skipped=skipped)
    items = load(clips)
    assert [item["video"] == path for item, path in zip(items, videos.names(), strict=True)].count(False) == 1
    assert set(skipped.listed()) == {name} and "is cut off" in skipped.listed()[name]
    assert set(check_data([videos], tmp_path / "bad.csv")) == {name}


def test_a_replaced_shard_is_reported(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "copy")
    shutil.copy(packed / "shard-000000.tar", tmp_path / "copy" / "shard-000001.tar")
    videos = ShardedVideos(str(tmp_path / "copy" / "index.json"))
    assert videos[0]["video"].read()
    for index in range(5, 10):
        with pytest.raises(VideoReadError, match=r"because '.*shard-000001.tar' is (another file|shorter)"):
            videos[index]["video"].read()


def test_views(packed, rough_corpus, tmp_path):
    processor = LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4, sampling_rate=1)
    videos = ShardedVideos(str(packed / "index.json"))
    views = ViewDataset(videos, processor, skipped=SkippedVideos(tmp_path, len(videos)))
    assert views.names() == videos.names()
    for index in range(3):
        (path,) = rough_corpus.paths([name_of(videos.names()[index])])
        assert torch.equal(views[index]["pixel_values"], processor(path, return_tensors="pt")["pixel_values"])


def test_index_has_the_names_of_wids(packed):
    index = json.loads((packed / "index.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    assert {"url", "nsamples", "filesize"} < index["shardlist"][0].keys()


ELSEWHERE = [
    "http://127.0.0.1:1/a.tar",
    "//127.0.0.1/a.tar",
    "s3://bucket/a.tar",
    "file:///etc/passwd.tar",
    "simplecache::http://127.0.0.1/a.tar",
    "/etc/a.tar",
    "../a.tar",
    "parts/../../a.tar",
    "./a.tar",
    "%2e%2e/a.tar",
    "..\\a.tar",
    "C:\\a.tar",
    "C:a.tar",
    "\\\\server\\a.tar",
    "~/a/../../b.tar",
    "a.tar?b",
    "a.tar#.tar",
    "*.tar",
    "a\n.tar",
    "/proc/self/environ",
    "passwd",
    "",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_an_index_names_only_its_own_folder(url, packed, tmp_path, monkeypatch):
    shutil.copytree(packed, tmp_path / "copy")
    index = json.loads((packed / "index.json").read_text())
    index["shardlist"][0]["url"] = url
    (tmp_path / "copy" / "index.json").write_text(json.dumps(index))
    monkeypatch.setattr(shard_index, "read_members", lambda shard: pytest.fail("a file was read"))
    with pytest.raises(ShardError, match=r"index\.json' names the shard .*own folder.*LGI_FORMER_SHARDS_ELSEWHERE=1"):
        ShardedVideos(str(tmp_path / "copy" / "index.json"))


def test_an_index_may_name_folders_below_it(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "all" / "part 1.0")
    index = json.loads((packed / "index.json").read_text())
    for shard in index["shardlist"]:
        shard["url"] = f"part 1.0/{shard['url']}"
    (tmp_path / "all" / "index.json").write_text(json.dumps(index))
    assert len(load(ShardedVideos(str(tmp_path / "all" / "index.json")))) == len(NAMES)


@pytest.mark.parametrize(
    "change",
    [
        {"filesize": "many"},
        {"nsamples": True},
        {"nsamples": 2**70},
        {"sha256": None},
        {"members_sha256": 5},
        {"url": 5},
    ],
    ids=str,
)
def test_wrong_fields_of_an_index_are_refused(change, packed, tmp_path):
    index = json.loads((packed / "index.json").read_text())
    index["shardlist"][0] |= change
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ShardError, match=r"index\.json' is not an index of shards"):
        read_index(str(tmp_path / "index.json"))


def test_an_index_that_is_nested_or_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "index.json").write_text("[" * 100_000)
    with pytest.raises(ShardError, match=r"index\.json' is not an index of shards"):
        read_index(str(tmp_path / "index.json"))
    monkeypatch.setattr(shard_index, "MAX_BYTES_OF_LIST", 1000)
    with pytest.raises(ShardError, match=r"index\.json' has more than 1000 bytes"):
        read_index(str(tmp_path / "index.json"))


def replace_table(folder, table):
    """Replace the table of the first shard, with its checksum in the index."""
    path = folder / "shard-000000.parquet"
    if isinstance(table, bytes):
        path.write_bytes(table)
    else:
        pq.write_table(table, path)
    index = json.loads((folder / "index.json").read_text())
    index["shardlist"][0]["members_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "index.json").write_text(json.dumps(index))


def set_column(table, name, value):
    values = [value] * len(table)
    return table.set_column(
        table.column_names.index(name), name, pa.array(values, shard_index.MEMBERS.field(name).type)
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: b"PAR1", "is not a table of videos"),
        (lambda table: table.drop_columns("offset"), "is not a table of videos"),
        (lambda table: table.set_column(2, "offset", pa.array(["x"] * len(table))), "is not a table of videos"),
        (lambda table: set_column(table, "offset", -1), "places a video outside its shard"),
        (lambda table: set_column(table, "offset", 0), "places a video outside its shard"),
        (lambda table: set_column(table, "offset", None), "places a video outside its shard"),
        (lambda table: set_column(table, "size", -1), "places a video outside its shard"),
        (lambda table: set_column(table, "size", 2**62), "places a video outside its shard"),
        (lambda table: set_column(table, "path", None), "places a video outside its shard"),
        (lambda table: pa.concat_tables([table] * 1000), "lists 5000 videos, but the index says 5"),
    ],
)
def test_wrong_tables_of_an_index_are_refused(damage, message, packed, tmp_path):
    shutil.copytree(packed, tmp_path / "copy")
    replace_table(tmp_path / "copy", damage(pq.read_table(packed / "shard-000000.parquet")))
    with pytest.raises(ShardError, match=rf"shard-000000\.parquet' {message}"):
        ShardedVideos(str(tmp_path / "copy" / "index.json"))[0]


def test_shards_are_read_over_http(packed, serve):
    near = ShardedVideos(str(packed / "index.json"))
    with serve(packed) as address:  # this server knows no ranges
        far = ShardedVideos(f"{address}/index.json")
        for index in (0, 11):
            assert far[index]["video"].read() == near[index]["video"].read()
        with pytest.raises(ShardError, match="There is no file 'http"):
            ShardedVideos(f"{address}/missing/index.json")
